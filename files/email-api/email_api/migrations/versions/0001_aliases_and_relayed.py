"""Tables `alias` and `relayed`."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _address() -> sa.String:
    return sa.String(320, collation="utf8mb4_bin")


def upgrade() -> None:
    op.create_table(
        "alias",
        sa.Column("address", _address(), primary_key=True),
        sa.Column("mailboxes", sa.JSON, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
    op.create_table(
        "relayed",
        sa.Column("handoff", sa.BINARY(32), primary_key=True),
        sa.Column("mailbox", _address(), primary_key=True),
        sa.Column("relayed_at", sa.DateTime, nullable=False, index=True),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )


def downgrade() -> None:
    op.drop_table("relayed")
    op.drop_table("alias")
