"""breakpoints that were taken back stay in the history."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEYS = ["instrument", "mjd_obs", "raw_type", "pro_catg", "do_class"]


def upgrade() -> None:
    op.add_column("breakpoint", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("breakpoint_once", table_name="breakpoint")
    op.create_index(
        "breakpoint_once", "breakpoint", KEYS, unique=True, postgresql_where=sa.text("removed_at IS NULL")
    )


def downgrade() -> None:
    op.execute("DELETE FROM breakpoint WHERE removed_at IS NOT NULL")
    op.drop_index("breakpoint_once", table_name="breakpoint")
    op.create_index("breakpoint_once", "breakpoint", KEYS, unique=True)
    op.drop_column("breakpoint", "removed_at")
