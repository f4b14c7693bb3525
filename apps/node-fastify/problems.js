// The one shape that every error has; apps/domain/problems.py is the same in Python.

const WORDS = {
  400: ["malformed_json", "The body is not JSON in UTF-8"],
  404: ["not_found", "There is nothing at this path"],
  405: ["method_not_allowed", "This path does not answer this method"],
  413: ["body_too_large", "The body is greater than 1 MiB"],
  415: ["unsupported_media_type", "The body is not of the media type that this path takes"],
  422: ["validation_failed", "The request breaks the rules that details lists"],
  500: ["internal_error", "The server failed"],
  503: ["service_unavailable", "A service that this needs does not answer, or was not given"],
};

export function problem(status, details = []) {
  const [code, message] = WORDS[status] ?? [`http_${status}`, `HTTP status ${status}`];
  return { status: "error", code, message, details };
}

// What a request can't be answered for, thrown wherever it is found.
export class Refused extends Error {
  constructor(status, details = [], headers = {}) {
    super(`refused with ${status}`);
    this.status = status;
    this.details = details;
    this.headers = headers;
  }
}
