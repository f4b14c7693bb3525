// A user's chats: the query, its parameter, and the body that its rows become; in Python apps/domain/history.py.

import pg from "pg";
import { Refused } from "./problems.js";

const QUERY = "SELECT content, create_time FROM ai_chat WHERE user_id = $1 ORDER BY create_time, id";
const PATIENCE_MS = 8000;
const CONNECT_PATIENCE_MS = 5000;
const TIME = pg.types.builtins.TIMESTAMPTZ;
// As the server writes it: a Date of JavaScript has no microseconds.
const types = { getTypeParser: (oid, format) => (oid === TIME ? utc : pg.types.getTypeParser(oid, format)) };

// "2025-01-31 08:00:00.5+00" is 2025-01-31T08:00:00.500000+00:00.
function utc(text) {
  const [date, time] = text.slice(0, -3).split(" ");
  const [seconds, fraction = ""] = time.split(".");
  return `${date}T${seconds}.${fraction.padEnd(6, "0")}+00:00`;
}

// A pool that is full before the first request, and stays so.
export async function openPool(url, size) {
  const pool = new pg.Pool({
    connectionString: url,
    max: size,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: CONNECT_PATIENCE_MS,
    query_timeout: PATIENCE_MS,
    options: "-c TimeZone=UTC",
    types,
  });
  pool.on("error", () => {}); // an idle connection was lost; the next request opens another
  const connections = await Promise.all(Array.from({ length: size }, () => pool.connect()));
  for (const connection of connections) connection.release();
  return pool;
}

export function userId(text) {
  const rule = !/^[0-9]{1,10}$/.test(text)
    ? "int_parsing"
    : Number(text) < 1
      ? "greater_than_equal"
      : Number(text) > 2 ** 31 - 1
        ? "less_than_equal"
        : undefined;
  if (rule) throw new Refused(422, [{ field: "user_id", rule, message: `The rule ${rule} is broken` }]);
  return Number(text);
}

export async function historyOf(pool, id) {
  if (!pool) throw new Refused(503);
  let found;
  try {
    // With a name it is prepared once a connection.
    found = await pool.query({ name: "history", text: QUERY, values: [id], rowMode: "array" });
  } catch {
    throw new Refused(503);
  }
  return { user_id: id, history: found.rows.map(([content, time]) => ({ content, time })) };
}
