/** Baton's version: the resource attribute `service.version` and `task start`'s first line. */
export const VERSION = "0.1.0";
