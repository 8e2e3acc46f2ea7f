"""The only place with SQL. Everything here speaks SQLModel and SQLAlchemy Core inside and domain values outside."""
