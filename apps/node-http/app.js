// The service on Node's own http server, as many processes as there are CPUs: hello, validate, history.

import cluster from "node:cluster";
import http from "node:http";
import { historyOf, openPool, userId } from "./history.js";
import { Refused, problem } from "./problems.js";
import { brokenRules } from "./request.js";

const [host, port, workers, backlog, keepAlive] = process.argv.slice(2);
const MAX_BODY_BYTES = 1 << 20;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const READS = ["GET", "HEAD"];

// Each path's methods and what answers it; a path is matched whole.
const ROUTES = [
  [/^\/healthz$/, READS, () => ({ status: "ok" })],
  [/^\/json$/, READS, () => ({ message: "Hello, World!" })],
  [/^\/api\/ai\/generate$/, ["POST"], generate],
  [/^\/api\/ai\/history\/([^/]+)$/, READS, (_request, pool, id) => historyOf(pool, userId(decoded(id)))],
];

async function generate(request) {
  const type = (request.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
  const body = await bodyOf(request);
  if (type !== "application/json") throw new Refused(415);
  const details = brokenRules(parsed(body));
  if (details.length) throw new Refused(422, details);
  return { status: "success", data: { task_id: "task_123456" } };
}

async function bodyOf(request) {
  if (Number(request.headers["content-length"]) > MAX_BODY_BYTES) throw new Refused(413);
  const parts = [];
  let size = 0;
  for await (const part of request.iterator({ destroyOnReturn: false })) {
    size += part.length;
    if (size > MAX_BODY_BYTES) throw new Refused(413);
    parts.push(part);
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

function parsed(body) {
  try {
    return JSON.parse(UTF8.decode(body));
  } catch {
    throw new Refused(400);
  }
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function answer(request, pool) {
  const path = request.url.split("?", 1)[0];
  for (const [pattern, methods, handler] of ROUTES) {
    const match = pattern.exec(path);
    if (!match) continue;
    if (!methods.includes(request.method)) throw new Refused(405, [], { allow: methods.join(", ") });
    return handler(request, pool, match[1]);
  }
  throw new Refused(404);
}

function send(request, response, status, value, headers = {}) {
  const body = JSON.stringify(value);
  response.writeHead(status, {
    ...headers,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function refuse(request, response, error) {
  const { status, details, headers } = error instanceof Refused ? error : new Refused(500);
  if (status === 500) console.error(error);
  request.resume(); // what is left of the body, so that the connection can be kept
  send(request, response, status, problem(status, details), headers);
}

async function serve() {
  const url = process.env.WEBDYNO_POSTGRES_URL;
  const pool = url ? await openPool(url, Number(process.env.WEBDYNO_DB_POOL_SIZE ?? "16")) : null;
  const server = http.createServer({ keepAliveTimeout: Number(keepAlive) * 1000 }, (request, response) => {
    answer(request, pool).then(
      (value) => send(request, response, 200, value),
      (error) => refuse(request, response, error),
    );
  });
  server.listen({ host, port: Number(port), backlog: Number(backlog) });
}

// One process needs nobody who hands connections out.
if (cluster.isPrimary && Number(workers) > 1) {
  const served = new Set();
  cluster.on("listening", (worker) => served.add(worker.id));
  cluster.on("exit", (worker) => (served.has(worker.id) ? cluster.fork() : process.exit(1)));
  for (let worker = 0; worker < Number(workers); worker++) cluster.fork();
} else {
  await serve();
}
