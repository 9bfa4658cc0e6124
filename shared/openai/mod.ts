/** The OpenAI API: requests, answers, streams, errors. Pure: no I/O, no HTTP library. */
export type { ChatMessage } from "./chat_messages.ts";
export * from "./chat_request.ts";
export * from "./completion_request.ts";
export * from "./error_schema.ts";
export * from "./errors.ts";
export * from "./finish_reason.ts";
export * from "./model_list.ts";
export * from "./response.ts";
export * from "./sampling_fields.ts";
export * from "./sse.ts";
export * from "./stop_strings.ts";
export * from "./timings.ts";
export * from "./validation.ts";
