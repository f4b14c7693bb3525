// The service on Fastify, as many processes as there are CPUs: hello, validate, history.

import cluster from "node:cluster";
import Fastify from "fastify";
import { historyOf, openPool, userId } from "./history.js";
import { Refused, problem } from "./problems.js";
import { GENERATE, HEALTHZ, HELLO, HISTORY, addRules, detailsOf } from "./schemas.js";

const [host, port, workers, backlog, keepAlive] = process.argv.slice(2);
const MAX_BODY_BYTES = 1 << 20;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

function build(pool) {
  const app = Fastify({
    bodyLimit: MAX_BODY_BYTES,
    keepAliveTimeout: Number(keepAlive) * 1000,
    ajv: {
      // No value is taken for one of another type, and every broken rule is told.
      customOptions: { allErrors: true, coerceTypes: false, useDefaults: false, strict: false, verbose: true },
      plugins: [addRules],
    },
  });
  // Fastify's own parser takes bytes that are no UTF-8, too.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, async (_request, body) => {
    try {
      return JSON.parse(UTF8.decode(body));
    } catch {
      throw new Refused(400);
    }
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send(problem(404)));
  app.setErrorHandler(refuse);

  const add = (methods, url, schema, handler, onRequest = []) => {
    app.route({ method: methods[0], url, schema, handler, onRequest });
    const others = METHODS.filter((method) => !methods.includes(method));
    const refused = async () => {
      throw new Refused(405, [], { allow: methods.join(", ") });
    };
    app.route({ method: others, url, handler: refused, onRequest: refused });
  };
  add(["GET", "HEAD"], "/healthz", HEALTHZ, async () => ({ status: "ok" }));
  add(["GET", "HEAD"], "/json", HELLO, async () => ({ message: "Hello, World!" }));
  add(["POST"], "/api/ai/generate", GENERATE, generate, judgeSize);
  add(["GET", "HEAD"], "/api/ai/history/:user_id", HISTORY, async ({ params: { user_id: id } }) => {
    if (id === "") throw new Refused(404); // Fastify matches none as well
    return historyOf(pool, userId(id));
  });
  return app;
}

async function generate() {
  return { status: "success", data: { task_id: "task_123456" } };
}

// Before the type, as the contract has it.
async function judgeSize(request) {
  if (Number(request.headers["content-length"]) > MAX_BODY_BYTES) throw new Refused(413);
}

function refuse(error, _request, reply) {
  const status = error.validation ? 422 : (error.status ?? error.statusCode ?? 500);
  const details = error.validation ? detailsOf(error.validation) : (error.details ?? []);
  if (status === 500) console.error(error);
  reply.code(status).headers(error instanceof Refused ? error.headers : {}).send(problem(status, details));
}

async function serve() {
  const url = process.env.WEBDYNO_POSTGRES_URL;
  const pool = url ? await openPool(url, Number(process.env.WEBDYNO_DB_POOL_SIZE ?? "16")) : null;
  await build(pool).listen({ host, port: Number(port), backlog: Number(backlog) });
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
