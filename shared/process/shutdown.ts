/** Resolves at the first SIGINT or SIGTERM. A second one ends the process at once with code 130. */
export function onShutdown(): Promise<Deno.Signal> {
  return new Promise((resolve) => {
    let isStopping = false;
    const stop = (signal: Deno.Signal) => {
      if (isStopping) Deno.exit(130);
      isStopping = true;
      resolve(signal);
    };
    Deno.addSignalListener("SIGINT", () => stop("SIGINT"));
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => stop("SIGTERM"));
  });
}
