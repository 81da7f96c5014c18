"""tap: what it searches by, and the role that may only read.

The expressions of the indexes are those of the columns in app/vo/schema; an index only counts for an
expression that is the same.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEXES = {
    "frame_dp_id_order": """dp_id COLLATE "C" """,
    "frame_instrument": """
        (CASE instrume WHEN 'NAOS+CONICA' THEN 'NACO' ELSE instrume END) COLLATE "C", mjd""",
    "frame_mjd": "mjd",
    "frame_exp_start": """(left(keywords ->> 'DATE-OBS', 23) || 'Z') COLLATE "C" """,
    "frame_prog_id": """(keywords ->> 'OBS.PROG.ID') COLLATE "C" """,
    "frame_dec": """
        (CASE jsonb_typeof(keywords -> 'DEC') WHEN 'number' THEN (keywords ->> 'DEC')::float8 END)""",
}

# Roles belong to the whole server: another database may have made it, or may be making it now. Where this
# account may not make one, TAP does without, in a transaction that is read only all the same.
ROLE = """
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'calsel_reader') THEN
    CREATE ROLE calsel_reader NOLOGIN;
  END IF;
EXCEPTION
  WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'calsel_reader') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO calsel_reader', current_schema());
    GRANT SELECT (id, dp_id, instrume, raw, mjd, keywords, size, hidden, release_date)
      ON frame TO calsel_reader;
    GRANT SELECT (frame_id, header) ON frame_header TO calsel_reader;
  END IF;
END $$;
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'calsel_reader')
     AND NOT pg_has_role('calsel_reader', 'MEMBER') THEN
    GRANT calsel_reader TO CURRENT_USER;
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN NULL;
END $$;
"""


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.execute(sa.text(f"CREATE INDEX {name} ON frame ({columns})".replace(":", "\\:")))
    op.execute(sa.text(ROLE))


def downgrade() -> None:
    # The role stays: other databases of the server may use it.
    for name in INDEXES:
        op.drop_index(name, "frame")
