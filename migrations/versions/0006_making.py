"""how products were made: their task.json."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "made",
        sa.Column("frame_id", sa.BigInteger(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["frame_id"], ["frame.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("frame_id"),
    )


def downgrade() -> None:
    op.drop_table("made")
