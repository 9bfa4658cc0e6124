import { assertEquals } from "@std/assert/mod.js";
import { sampleSpan } from "../../../shared/trace_view/testing/sample_trace.ts";
import { curl, requestCurl } from "./request_curl.ts";

function request(attributes: Record<string, string | number | boolean>) {
  return sampleSpan({ id: "r", name: "http-request", at: [0, 1], more: { attributes } });
}

function bodyOf(command: string): unknown {
  return JSON.parse(/-d '(.*)'$/s.exec(command)?.[1] ?? "");
}

Deno.test("requestCurl has the request's own settings and no prompt", () => {
  const command = requestCurl(
    request({
      "http.route": "/v1/chat/completions",
      "gen_ai.request.model": "tiny",
      "gen_ai.request.stream": true,
      "gen_ai.request.max_tokens": 20,
      "gen_ai.request.temperature": 0,
    }),
    "http://127.0.0.1:3200",
  );
  assertEquals(command.split(" ").slice(0, 3), [
    "curl",
    "-N",
    "'http://127.0.0.1:3200/frontend/v1/chat/completions'",
  ]);
  assertEquals(bodyOf(command), {
    model: "tiny",
    messages: [{ role: "user", content: "(the prompt is in no trace)" }],
    max_tokens: 20,
    temperature: 0,
    stream: true,
  });
});

Deno.test("requestCurl of a completion has a prompt for messages", () => {
  const command = requestCurl(request({ "http.route": "/v1/completions" }), "http://a");
  assertEquals(bodyOf(command), { prompt: "(the prompt is in no trace)" });
});

Deno.test("curl quotes what a shell would read", () => {
  assertEquals(
    curl("http://a", { text: "it's $HOME `x`" }),
    `curl -N 'http://a' -H 'content-type: application/json' -d '{"text":"it'\\''s $HOME \`x\`"}'`,
  );
});

Deno.test("requestCurl is one command whatever the span says its route is", () => {
  const command = requestCurl(request({ "http.route": "/v1/x; rm -rf ~ #'$(id)" }), "http://a");
  assertEquals(
    command.startsWith(`curl -N 'http://a/frontend/v1/x; rm -rf ~ #'\\''$(id)' -H `),
    true,
  );
});
