import { assertEquals, assertThrows } from "@std/assert/mod.js";
import { compileChatTemplate, type RenderOptions } from "./chat_template.ts";
import { ChatTemplateError } from "./errors.ts";

const OPTIONS: RenderOptions = { addGenerationPrompt: true, bosToken: "<s>", eosToken: "</s>" };

/** SmolLM2-135M-Instruct's. */
const CHATML =
  "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}" +
  "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face" +
  "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + " +
  "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}" +
  "{{ '<|im_start|>assistant\n' }}{% endif %}";

function errorOf(action: () => unknown): ChatTemplateError {
  return assertThrows(action, ChatTemplateError);
}

Deno.test("ChatTemplate.render() renders ChatML with and without the assistant's opening", () => {
  const template = compileChatTemplate(CHATML);
  const system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, " +
    "trained by Hugging Face<|im_end|>\n";
  const messages = [{ role: "user", content: "Hi" }];
  assertEquals(
    template.render(messages, OPTIONS),
    `${system}<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n`,
  );
  assertEquals(
    template.render(messages, { ...OPTIONS, addGenerationPrompt: false }),
    `${system}<|im_start|>user\nHi<|im_end|>\n`,
  );
  assertEquals(
    template.render([{ role: "system", content: "Be brief" }, ...messages], OPTIONS),
    "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n" +
      "<|im_start|>assistant\n",
  );
});

Deno.test("ChatTemplate.render() gives templates the begin and end texts", () => {
  const template = compileChatTemplate("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}");
  assertEquals(template.render([{ role: "user", content: "x" }], OPTIONS), "<s>x</s>");
});

Deno.test("ChatTemplate.render() gives templates tools, or none", () => {
  const template = compileChatTemplate(
    "{% if tools is not none %}{{ tools[0].function.name }}{% endif %}",
  );
  const tools = [{ type: "function", function: { name: "clock" } }];
  assertEquals(template.render([], { ...OPTIONS, tools }), "clock");
  assertEquals(template.render([], { ...OPTIONS, tools: [] }), "");
  assertEquals(template.render([], OPTIONS), "");
});

Deno.test("ChatTemplate.render() passes message fields through, null content too", () => {
  const template = compileChatTemplate(
    "{% for m in messages %}{{ m.content is none }} {{ m.tool_calls[0].id }}{% endfor %}",
  );
  const message = { role: "assistant", content: null, tool_calls: [{ id: "call_1" }] };
  assertEquals(template.render([message], OPTIONS), "true call_1");
});

Deno.test("ChatTemplate.render() blames the client when the template refuses the messages", () => {
  const template = compileChatTemplate(
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}" +
      "{{ raise_exception('Roles must alternate') }}{% endif %}{% endfor %}",
  );
  const error = errorOf(() => template.render([{ role: "assistant", content: "" }], OPTIONS));
  assertEquals(error.code, "rejected");
  assertEquals(error.message, "Cannot apply the chat template: Roles must alternate");
});

Deno.test("ChatTemplate.render() blames the template when it fails on its own", () => {
  const template = compileChatTemplate("{{ messages[0].content.no_such_method() }}");
  const error = errorOf(() => template.render([{ role: "user", content: "x" }], OPTIONS));
  assertEquals(error.code, "broken");
  assertEquals(error.message.startsWith("Cannot render the chat template: "), true);
});

Deno.test("compileChatTemplate() refuses what is no template", () => {
  const error = errorOf(() => compileChatTemplate("{% for x in %}"));
  assertEquals(error.code, "broken");
  assertEquals(error.message.startsWith("Cannot compile the chat template: "), true);
});

Deno.test("ChatTemplate.render() keeps text in messages from being run as a template", () => {
  const template = compileChatTemplate("{{ messages[0].content }}");
  const content = "{{ 7 * 7 }}{% if %}";
  assertEquals(template.render([{ role: "user", content }], OPTIONS), content);
});
