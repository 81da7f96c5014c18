"""what products measured of themselves; whom the webhook has told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Products that were there before: as app/archive/qc.py records those that come.
RECORD = r"""
INSERT INTO qc_value (frame_id, parameter, instrume, category, value, mjd)
SELECT f.id, q.key, f.instrume, h.header ->> 'PRO.CATG',
       CASE json_typeof(q.value) WHEN 'boolean' THEN (q.value #>> '{}')::bool::int::float8
                                 ELSE (q.value #>> '{}')::float8 END, f.mjd
FROM frame f JOIN frame_header h ON h.frame_id = f.id, json_each(h.header) q
WHERE NOT f.raw AND json_typeof(h.header -> 'PRO.CATG') = 'string' AND q.key ~ '^(QC\.|PRO\.DATA)'
  AND json_typeof(q.value) IN ('number', 'boolean')
"""


def upgrade() -> None:
    op.create_table(
        "qc_value",
        sa.Column("frame_id", sa.BigInteger(), nullable=False),
        sa.Column("parameter", sa.Text(), nullable=False),
        sa.Column("instrume", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("mjd", sa.Float(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["frame_id"], ["frame.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("frame_id", "parameter"),
    )
    op.create_index("qc_value_trend", "qc_value", ["instrume", "category", "parameter", "mjd"])
    op.create_table(
        "changes_told",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("url"),
    )
    op.create_index("frame_ingested", "frame", ["ingested_at"])
    op.create_index("frame_group_time", "frame_group", ["book_id", "action", "middle"])
    op.execute(RECORD)


def downgrade() -> None:
    op.drop_index("frame_group_time", table_name="frame_group")
    op.drop_index("frame_ingested", table_name="frame")
    op.drop_table("changes_told")
    op.drop_index("qc_value_trend", table_name="qc_value")
    op.drop_table("qc_value")
