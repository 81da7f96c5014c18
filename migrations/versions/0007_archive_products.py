"""archive products: what ivoa.ObsCore needs of those that were ingested before."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WORDS = "PRODCATG PROV1 MJD-END WAVELMIN WAVELMAX ABMAGLIM".split()


def upgrade() -> None:
    op.get_bind().execute(
        sa.text(
            "UPDATE frame f SET keywords = f.keywords || found.words FROM ("
            " SELECT h.frame_id, jsonb_object_agg(w.key, w.value::jsonb) AS words"
            " FROM frame_header h JOIN frame p ON p.id = h.frame_id AND NOT p.raw"
            " CROSS JOIN LATERAL json_each(h.header) w"
            " WHERE w.key = ANY(:words) GROUP BY h.frame_id"
            ") found WHERE f.id = found.frame_id"
        ),
        {"words": _WORDS},
    )


def downgrade() -> None:
    """More keywords do no harm."""
