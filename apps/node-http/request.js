// The rules of a request for generated text; apps/domain/ai_request.py is the same in Python.

const EMAIL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const LONGEST_URL = 2083;
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

// Each returns the name of the broken rule, or undefined.
function modelName(value) {
  if (typeof value !== "string") return "string_type";
  return /^(gpt|llama)-[0-9]+$/.test(value) ? undefined : "string_pattern_mismatch";
}

function prompt(value) {
  if (typeof value !== "string") return "string_type";
  let length = 0; // in characters, where a string's own counts a pair of surrogates twice
  for (const _ of value) if (++length > 2000) return "string_too_long";
  return length < 5 ? "string_too_short" : undefined;
}

function temperature(value) {
  if (typeof value === "string") return "float_parsing";
  if (typeof value !== "number") return "float_type";
  if (value < 0) return "greater_than_equal";
  return value > 1 ? "less_than_equal" : undefined;
}

function webSearch(value) {
  if (typeof value === "boolean") return undefined;
  return typeof value === "string" || typeof value === "number" ? "bool_parsing" : "bool_type";
}

function address(value) {
  if (typeof value !== "string") return "url_type";
  if (value.length > LONGEST_URL) return "url_too_long";
  if (!URL.canParse(value)) return "url_parsing";
  return ["http:", "https:"].includes(new URL(value).protocol) ? undefined : "url_scheme";
}

function email(value) {
  if (typeof value !== "string") return "string_type";
  return EMAIL.test(value) ? undefined : "value_error";
}

function* addresses(urls, search) {
  if (urls !== null && !Array.isArray(urls)) yield ["reference_urls", "list_type"];
  else if (urls?.some(address)) {
    for (const [at, url] of urls.entries()) {
      const rule = address(url);
      if (rule) yield [`reference_urls.${at}`, rule];
    }
  } else if (search === true && !urls?.length) yield ["reference_urls", "reference_urls_required"];
}

function* broken(body) {
  const required = (name, check) => (Object.hasOwn(body, name) ? check(body[name]) : "missing");
  yield ["model_name", required("model_name", modelName)];
  yield ["prompt", required("prompt", prompt)];
  yield ["temperature", temperature(body.temperature ?? (Object.hasOwn(body, "temperature") ? null : 0.7))];
  yield ["web_search", webSearch(Object.hasOwn(body, "web_search") ? body.web_search : false)];
  yield* addresses(body.reference_urls ?? null, body.web_search);
  yield ["contact_email", required("contact_email", email)];
}

// The broken rules of a body, in the order of the fields; none where it keeps all.
export function brokenRules(body) {
  if (!isObject(body)) {
    return [{ field: "body", rule: "object_type", message: "The body must be a JSON object" }];
  }
  return [...broken(body)]
    .filter(([, rule]) => rule)
    .map(([field, rule]) => ({ field, rule, message: `The rule ${rule} is broken` }));
}
