/** Text to token ids and back, and chats to text. */
export * from "./chat_template.ts";
export * from "./detokenizer.ts";
export * from "./errors.ts";
export * from "./gguf_tokenizer.ts";
export * from "./tokenizer.ts";
export * from "./tokenizer_data.ts";
