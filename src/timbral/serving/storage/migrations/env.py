"""What Alembic runs: the migrations, on the connection that `migrate` has opened."""

from alembic import context

from timbral.serving.storage.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
)
with context.begin_transaction():
    context.run_migrations()
