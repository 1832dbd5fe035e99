# Keeps a PostgreSQL of the tests' own for as long as whoever started it holds this script's standard input open: in the
# end, also when that process is killed, the server is stopped and its folder removed.
# Arguments: folder, folder of the server's programs, then settings for the server. Commands are lines: start, stop SIGNAL.
set -u
dir=$1 bin=$2
shift 2
trap '' INT TERM HUP
echo $$ >"$dir/keeper.pid"

# The server refuses to run as root.
as() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups --reset-env "$@"; else "$@"; fi
}

# After a crash the dead server's children may hold its memory for a moment: then it is tried again.
start() {
  local try
  for try in 1 2 3 4 5 6 7 8; do
    as_exec >>"$dir/log" 2>&1 </dev/null &
    server=$!
    while kill -0 "$server" 2>/dev/null; do
      if [ -S "$dir/.s.PGSQL.5432" ] && as "$bin/pg_isready" -q -h "$dir" -d postgres -U postgres; then
        echo started
        return
      fi
      sleep 0.05
    done
    sleep 0.1
  done
  echo "failed: $(tail -n 5 "$dir/log" | tr '\n' ' ')"
}

as_exec() {
  if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid=postgres --regid=postgres --init-groups --reset-env "$bin/postgres" -D "$dir/data" -k "$dir" "${settings[@]}"
  fi
  exec "$bin/postgres" -D "$dir/data" -k "$dir" "${settings[@]}"
}

settings=(-c listen_addresses=)
for setting in "$@"; do settings+=(-c "$setting"); done
[ "$(id -u)" = 0 ] && chown postgres: "$dir"
if ! as "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1; then
  echo "failed: $(tail -n 5 "$dir/log" | tr '\n' ' ')"
  rm -rf "$dir"
  exit 1
fi
start
while read -r verb signal; do
  case $verb in
    start) start ;;
    stop)
      kill "-$signal" "$server"
      wait "$server" 2>/dev/null
      rm -f "$dir/.s.PGSQL.5432"
      echo stopped
      ;;
  esac
done
kill -QUIT "$server" 2>/dev/null
wait "$server" 2>/dev/null
rm -rf "$dir"
