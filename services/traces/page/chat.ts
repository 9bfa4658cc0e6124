/**
 * Chat: a conversation in which every answer shows its own trace. While a request runs, its waterfall
 * fills in: the page's span at once, each span of the services when it has ended.
 */

import { failureText, fetchModels, reach } from "./backend.ts";
import { ChatAnswer } from "./chat_answer.ts";
import { button, field, h, notice } from "./dom.ts";
import { ReadingPlace } from "./reading_place.ts";

interface Message {
  readonly role: "user" | "assistant";
  readonly content: string;
}

interface NumberSetting {
  readonly name: string;
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly step: string;
  /** Empty leaves it to the server. */
  readonly value: string;
}

const SETTINGS: readonly NumberSetting[] = [
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: "any", value: "0.7" },
  { name: "top_p", label: "Top p", min: 0, max: 1, step: "any", value: "" },
  { name: "top_k", label: "Top k", min: 0, max: 1000, step: "1", value: "" },
  { name: "max_tokens", label: "Most tokens", min: 1, max: 32768, step: "1", value: "256" },
  { name: "seed", label: "Seed", min: 0, max: 2 ** 31 - 1, step: "1", value: "" },
];

export class ChatView {
  readonly element: HTMLElement;
  #messages: Message[] = [];
  readonly #log = h("div.chat_log", [], {
    attributes: { role: "log", "aria-label": "Conversation" },
  });
  readonly #model = h("select", [], {
    attributes: { name: "model", "aria-label": "Model" },
  });
  readonly #problem = h("div");
  readonly #prompt = h("textarea", [], {
    attributes: { name: "prompt", rows: "2", placeholder: "Ask something", "aria-label": "Prompt" },
    on: { keydown: (event) => this.#onKey(event as KeyboardEvent) },
  });
  readonly #send = h("button.primary", ["Send"], { attributes: { type: "submit" } });
  readonly #stop = button("Stop", () => this.#running?.abort());
  readonly #form: HTMLFormElement;
  readonly #place: ReadingPlace;
  #running: AbortController | null = null;

  constructor() {
    this.#stop.disabled = true;
    this.#stop.title = "Escape stops too";
    const settings = h("details.settings", [
      h("summary", ["Sampling"]),
      h("div.fields", SETTINGS.map(numberField)),
    ]);
    this.#form = h("form.chat_form", [
      this.#problem,
      this.#prompt,
      h("div.actions", [
        this.#send,
        this.#stop,
        button("New chat", () => this.#clear()),
        this.#model,
        settings,
      ]),
    ], { on: { submit: (event) => this.#onSubmit(event) } });
    this.element = h("section.chat", [h("h1", ["Chat"]), this.#log, this.#form]);
    this.#place = new ReadingPlace(this.#form);
    addEventListener("keydown", (event) => this.#onEscape(event));
  }

  /** Called before another view may be shown. */
  keepPlace(): void {
    this.#place.keep();
  }

  /** Back to where the reader was; called when the view is shown again. */
  restorePlace(): void {
    this.#place.restore();
  }

  /** Asks which models are served; called whenever the view is shown. */
  async refresh(signal: AbortSignal): Promise<void> {
    try {
      const names = await fetchModels(signal);
      const chosen = this.#model.value;
      this.#model.replaceChildren(...names.map((name) => h("option", [name])));
      if (names.includes(chosen)) this.#model.value = chosen;
      this.#problem.replaceChildren(
        ...(names.length === 0 ? [notice("No model is served yet: is a worker running?")] : []),
      );
    } catch (error) {
      if (!signal.aborted) this.#problem.replaceChildren(notice(error));
    }
  }

  #onKey(event: KeyboardEvent): void {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  /** Stops, unless it closes a list of choices or leaves off a composed character. */
  #onEscape({ key, isComposing, target }: KeyboardEvent): void {
    if (key !== "Escape" || isComposing || target instanceof HTMLSelectElement) return;
    if (this.element.isConnected) this.#running?.abort();
  }

  #onSubmit(event: Event): void {
    event.preventDefault();
    const content = this.#prompt.value.trim();
    if (content === "" || this.#running !== null) return;
    this.#prompt.value = "";
    void this.#ask(content);
  }

  #clear(): void {
    this.#running?.abort();
    this.#messages = [];
    this.#log.replaceChildren();
    this.#prompt.focus();
  }

  async #ask(content: string): Promise<void> {
    const conversation = this.#messages;
    const messages = [...conversation, { role: "user", content } as const];
    const body = {
      model: this.#model.value,
      messages,
      stream: true,
      ...this.#sampling(),
    };
    const abort = new AbortController();
    this.#setRunning(abort);
    const answer = new ChatAnswer(body, () => this.#place.grown());
    this.#log.append(h("div.question", [content]), answer.element);
    this.#place.begin(answer.textElement);
    const isWhole = await answer.run(abort.signal, send);
    // What failed is no part of the conversation.
    if (isWhole) conversation.push(...messages.slice(-1), answer.message);
    if (this.#running === abort) this.#setRunning(null);
  }

  #setRunning(abort: AbortController | null): void {
    this.#running = abort;
    // A button that is disabled loses the keyboard.
    const hasKeyboard = [this.#send, this.#stop].some((one) => one.matches(":focus-visible"));
    if (hasKeyboard) this.#prompt.focus();
    this.#send.disabled = abort !== null;
    this.#stop.disabled = abort === null;
  }

  /** The settings that are filled in. */
  #sampling(): Record<string, number> {
    const values = new FormData(this.#form);
    return Object.fromEntries(SETTINGS.flatMap(({ name }): [string, number][] => {
      const text = values.get(name);
      return typeof text === "string" && text !== "" ? [[name, Number(text)]] : [];
    }));
  }
}

function numberField({ name, label, min, max, step, value }: NumberSetting): HTMLElement {
  const input = h("input", [], {
    attributes: { type: "number", name, min: String(min), max: String(max), step, value },
  });
  return field(label, input);
}

interface SendOptions {
  readonly traceparent: string;
  readonly signal: AbortSignal;
}

/** Posts a request; rejects with the server's words when it is refused. */
async function send(body: unknown, options: SendOptions): Promise<ReadableStream<Uint8Array>> {
  const response = await reach("/frontend/v1/chat/completions", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      traceparent: options.traceparent,
      "x-baton-timings": "1",
    },
    body: JSON.stringify(body),
    signal: options.signal,
  });
  if (!response.ok || response.body === null) throw new Error(await failureText(response));
  return response.body;
}
