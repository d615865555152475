"""Keys, usage, consents, voices, audit."""

import sqlalchemy as sa
from alembic import op

from timbral.serving.storage.tables import Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    _create_keys()
    _create_voices()
    _create_audit()


def downgrade() -> None:
    """Removes the tables."""
    for table in ("audit", "voices", "consents", "usage", "keys"):
        op.drop_table(table)


def _create_keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("revoked", Moment(), nullable=True),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("characters_per_day", sa.Integer(), nullable=True),
        sa.Column("concurrent", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
    )
    op.create_table(
        "usage",
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "day", name="pk_usage"),
    )


def _create_voices() -> None:
    op.create_table(
        "consents",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("statement", sa.String(2000), nullable=False),
        sa.Column("recording", sa.String(200), nullable=True),
        sa.Column("recording_sha256", sa.String(64), nullable=True),
        sa.Column("allows", sa.JSON(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("revoked", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
    )
    op.create_index("ix_consents_owner", "consents", ["owner"])
    op.create_table(
        "voices",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("consent_id", sa.String(40), nullable=True),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("family", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("ref_text", sa.String(2000), nullable=False),
        sa.Column("object", sa.String(200), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("embedding", sa.LargeBinary(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_voices"),
        sa.UniqueConstraint("owner", "name", name="uq_voices_owner_name"),
        sa.ForeignKeyConstraint(["consent_id"], ["consents.id"], name="fk_voices_consent_id_consents"),
    )
    op.create_index("ix_voices_space", "voices", ["family", "version"])


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time", sa.String(40), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("request_id", sa.String(100), nullable=False),
        sa.Column("details", sa.String(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )
    op.create_index("ix_audit_action", "audit", ["action"])
