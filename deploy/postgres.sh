#!/bin/sh
# Makes a database and then becomes the server that its arguments name, as PostgreSQL's own image does, by
# the same variables: POSTGRES_PASSWORD, PGDATA. What was there before is thrown away.
set -eu
secret=$(mktemp)
printf '%s' "$POSTGRES_PASSWORD" >"$secret"
unset POSTGRES_PASSWORD
rm -rf "$PGDATA"
initdb --pgdata="$PGDATA" --pwfile="$secret" --username=postgres --auth=scram-sha-256 \
  --encoding=UTF8 --locale=C --no-sync >/dev/null
rm "$secret"
echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
exec "$@"
