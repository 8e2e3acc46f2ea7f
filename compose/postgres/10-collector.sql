-- Run once by the image of PostgreSQL, as its superuser, in the database hpkp, when the volume is new.
-- The collector's role owns what it makes in this database, and nothing else; it cannot make roles or databases.
\set ON_ERROR_STOP on
\getenv password COLLECTOR_DB_PASSWORD
CREATE ROLE hpkp LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
-- Every role may connect to every database unless this is revoked, also to those of the server itself.
REVOKE ALL ON DATABASE hpkp, postgres, template1 FROM PUBLIC;
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE hpkp TO hpkp;
ALTER SCHEMA public OWNER TO hpkp;
