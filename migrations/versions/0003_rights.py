"""what products were made from; night logs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provenance",
        sa.Column("frame_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("dp_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["frame_id"], ["frame.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("frame_id", "position"),
    )
    op.create_index("provenance_source", "provenance", ["dp_id"])
    op.create_table(
        "night_log",
        sa.Column("dp_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dp_id"),
    )
    op.create_index("frame_sha256", "frame", ["sha256"], postgresql_where="sha256 IS NOT NULL")


def downgrade() -> None:
    op.drop_index("frame_sha256", table_name="frame", postgresql_where="sha256 IS NOT NULL")
    op.drop_table("night_log")
    op.drop_index("provenance_source", table_name="provenance")
    op.drop_table("provenance")
