"""The workspace's database: tables, migrations, and the outbox of changes."""
