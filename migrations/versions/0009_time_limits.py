"""how long one recipe may take on each worker."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("worker", sa.Column("seconds", sa.Float(), server_default=sa.text("3600"), nullable=False))


def downgrade() -> None:
    op.drop_column("worker", "seconds")
