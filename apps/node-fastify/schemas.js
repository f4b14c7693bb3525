// What requests must be and answers are, as JSON schemas; apps/domain/ai_request.py has the same rules in Python.

const EMAIL = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const LONGEST_URL = 2083;
const STRING = { type: "string" };

export const GENERATE = {
  body: {
    type: "object",
    sources: true,
    required: ["model_name", "prompt", "contact_email"],
    properties: {
      model_name: { type: "string", pattern: "^(gpt|llama)-[0-9]+$" },
      prompt: { type: "string", minLength: 5, maxLength: 2000 },
      temperature: { type: "number", minimum: 0, maximum: 1 },
      web_search: { type: "boolean" },
      reference_urls: { type: ["array", "null"], items: { address: true } },
      contact_email: { type: "string", format: "mailbox" },
    },
  },
  response: {
    200: {
      type: "object",
      properties: { status: STRING, data: { type: "object", properties: { task_id: STRING } } },
    },
  },
};
export const HEALTHZ = { response: { 200: { type: "object", properties: { status: STRING } } } };
export const HELLO = { response: { 200: { type: "object", properties: { message: STRING } } } };
export const HISTORY = {
  response: {
    200: {
      type: "object",
      properties: {
        user_id: { type: "integer" },
        history: { type: "array", items: { type: "object", properties: { content: STRING, time: STRING } } },
      },
    },
  },
};

const FIELDS = Object.keys(GENERATE.body.properties);
const RULES = {
  required: "missing",
  pattern: "string_pattern_mismatch",
  minLength: "string_too_short",
  maxLength: "string_too_long",
  minimum: "greater_than_equal",
  maximum: "less_than_equal",
  format: "value_error",
};

// What JSON Schema has no words for. Each broken one says in `params.rule` what it is.
export function addRules(ajv) {
  ajv.addFormat("mailbox", EMAIL);
  ajv.addKeyword({ keyword: "address", errors: true, validate: broken("address", address) });
  ajv.addKeyword({ keyword: "sources", type: "object", errors: true, validate: broken("sources", sources) });
}

function broken(keyword, check) {
  return function validate(_schema, data) {
    const rule = check(data);
    validate.errors = rule ? [{ keyword, message: `${rule}`, params: { rule } }] : null;
    return !rule;
  };
}

function address(value) {
  if (typeof value !== "string") return "url_type";
  if (value.length > LONGEST_URL) return "url_too_long";
  if (!URL.canParse(value)) return "url_parsing";
  return ["http:", "https:"].includes(new URL(value).protocol) ? undefined : "url_scheme";
}

function sources({ web_search: search, reference_urls: urls }) {
  const none = urls === undefined || urls === null || (Array.isArray(urls) && urls.length === 0);
  return search === true && none ? "reference_urls_required" : undefined;
}

// The broken rules as the contract has them, in the order of the fields.
export function detailsOf(errors) {
  const at = ({ field }) => FIELDS.indexOf(field.split(".")[0]);
  return errors.map(detail).sort((one, other) => at(one) - at(other));
}

function detail({ keyword, instancePath, params, data, message }) {
  const path = instancePath.slice(1).replaceAll("/", ".");
  if (keyword === "required") return { field: params.missingProperty, rule: RULES.required, message };
  if (keyword === "sources") return { field: "reference_urls", rule: params.rule, message };
  if (path === "") return { field: "body", rule: "object_type", message };
  return { field: path, rule: params.rule ?? RULES[keyword] ?? typeRule(path, data), message };
}

function typeRule(field, value) {
  if (field === "temperature") return typeof value === "string" ? "float_parsing" : "float_type";
  if (field === "web_search") return ["string", "number"].includes(typeof value) ? "bool_parsing" : "bool_type";
  return field === "reference_urls" ? "list_type" : "string_type";
}
