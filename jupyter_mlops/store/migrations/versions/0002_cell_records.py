"""The record of cell executions: sessions, sources, executions, and what they wrote."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cell_record",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("notebook", sa.String(), nullable=False),
        sa.Column("cell_id", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("source_hash", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("pipeline_run_id", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_cell_record_cell", "cell_record", ["cell_id", "started_at"], unique=False)
    op.create_index("ix_cell_record_key", "cell_record", ["key"], unique=False)
    op.create_index("ix_cell_record_notebook", "cell_record", ["notebook", "started_at", "id"], unique=False)
    op.create_index("ix_cell_record_session", "cell_record", ["session", "sequence"], unique=False)
    op.create_index("ix_cell_record_started", "cell_record", ["started_at", "id"], unique=False)
    op.create_index("ix_cell_record_step", "cell_record", ["pipeline_run_id", "step", "attempt"], unique=False)
    op.create_table(
        "cell_session",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("notebook", sa.String(), nullable=False),
        sa.Column("pipeline_run_id", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("process_started_at", sa.Float(), nullable=False),
        sa.Column("python", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("dead", sa.Boolean(), nullable=False),
        sa.Column("journal_offset", sa.BigInteger(), nullable=False),
        sa.Column("damaged", sa.Integer(), nullable=False),
        sa.Column("format", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_cell_session_notebook", "cell_session", ["notebook", "started_at"], unique=False)
    op.create_table(
        "cell_source",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "cell_file",
        sa.Column("execution", sa.String(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["execution"], ["cell_record.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("execution", "path"),
    )
    op.create_index("ix_cell_file_path", "cell_file", ["path", "digest"], unique=False)
    op.create_table(
        "cell_name",
        sa.Column("execution", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["execution"], ["cell_record.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("execution", "name"),
    )
    op.create_index("ix_cell_name_name", "cell_name", ["name"], unique=False)
    op.create_index("ix_cell_name_session", "cell_name", ["session", "name", "sequence"], unique=False)
    op.create_table(
        "cell_run",
        sa.Column("execution", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["execution"], ["cell_record.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("execution", "run_id"),
    )
    op.create_index("ix_cell_run_run", "cell_run", ["run_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_cell_run_run", table_name="cell_run")
    op.drop_table("cell_run")
    op.drop_index("ix_cell_name_session", table_name="cell_name")
    op.drop_index("ix_cell_name_name", table_name="cell_name")
    op.drop_table("cell_name")
    op.drop_index("ix_cell_file_path", table_name="cell_file")
    op.drop_table("cell_file")
    op.drop_table("cell_source")
    op.drop_index("ix_cell_session_notebook", table_name="cell_session")
    op.drop_table("cell_session")
    op.drop_index("ix_cell_record_step", table_name="cell_record")
    op.drop_index("ix_cell_record_started", table_name="cell_record")
    op.drop_index("ix_cell_record_session", table_name="cell_record")
    op.drop_index("ix_cell_record_notebook", table_name="cell_record")
    op.drop_index("ix_cell_record_key", table_name="cell_record")
    op.drop_index("ix_cell_record_cell", table_name="cell_record")
    op.drop_table("cell_record")
