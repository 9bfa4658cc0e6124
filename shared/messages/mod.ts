/** Every message that crosses the bus: types, subjects and nothing that does I/O. */
export * from "./cancellation.ts";
export * from "./export_word.ts";
export * from "./instance.ts";
export * from "./instance_record.ts";
export * from "./keep_word.ts";
export * from "./kv_transfer.ts";
export * from "./model_card.ts";
export * from "./subjects.ts";
export * from "./work.ts";
export * from "./work_frame.ts";
export * from "./work_request.ts";
