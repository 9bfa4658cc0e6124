/** Answers as a test reads them: whole, or event by event. */

/** A streamed answer, and what has been read of it. */
export class AnswerStream {
  #events = "";
  readonly #reader: ReadableStreamDefaultReader<string>;

  constructor(response: Response) {
    if (response.body === null) throw new Error("the answer has no body");
    this.#reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads on until `count` events have come in all. */
  async read(count: number): Promise<void> {
    while (this.#events.split("\n\n").length <= count) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`the answer ended before event ${count}:\n${this.#events}`);
      this.#events += value;
    }
  }

  /** Reads to the end; returns the text of all events. */
  async text(): Promise<string> {
    for (let next = await this.#reader.read(); !next.done; next = await this.#reader.read()) {
      this.#events += next.value;
    }
    return [...this.#events.matchAll(/^data: (\{.*)$/gm)]
      .map(([, data = ""]) => JSON.parse(data).choices[0]?.text ?? "").join("");
  }

  /** Leaves as a client does that closes its connection. */
  async leave(): Promise<void> {
    await this.#reader.cancel();
  }
}

/** Reads the answer to its end; returns it with the id of its trace. */
export async function answerOf(
  response: Promise<Response>,
): Promise<{ readonly traceId: string; readonly status: number; readonly text: string }> {
  const answer = await response;
  const traceId = answer.headers.get("traceparent")?.split("-")[1] ?? "";
  return { traceId, status: answer.status, text: await answer.text() };
}
