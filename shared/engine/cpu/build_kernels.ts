/**
 * `deno task build-kernels`: compiles `kernels/*.as` to `kernels/kernels.wasm`.
 *
 * The same sources give the same bytes. The sources are AssemblyScript; they are not named `.ts`, since
 * to TypeScript's own tools they are not valid. The compiler is fetched for this task only: it is in no
 * import and no lock file, so that nobody who runs Baton downloads it.
 */

import {
  COMPILER,
  COMPILER_OPTIONS,
  DIGEST_SECTION,
  KERNELS_WASM,
  readKernelSources,
  sourceDigest,
} from "./kernel_sources.ts";

/** What is used of the compiler's programmatic interface. */
interface Compiler {
  main(args: readonly string[], options: {
    readonly readFile: (name: string) => string | null;
    readonly writeFile: (name: string, contents: Uint8Array | string) => void;
    readonly listFiles: () => string[];
    readonly stdout: { readonly write: (text: string | Uint8Array) => boolean };
    readonly stderr: { readonly write: (text: string | Uint8Array) => boolean };
  }): Promise<{ readonly error: Error | null }>;
}

/** The compiled module with the digest of `sources`. Throws an Error with the compiler's own words. */
export async function buildKernels(sources: ReadonlyMap<string, string>): Promise<Uint8Array> {
  const outputs: Uint8Array[] = [];
  let complaints = "";
  const write = (text: string | Uint8Array) => {
    complaints += text;
    return true;
  };
  const compiler: Compiler = await import(`npm:${COMPILER}/asc`);
  const args = ["index.ts", ...COMPILER_OPTIONS, "--outFile", "kernels.wasm"];
  const { error } = await compiler.main(args, {
    readFile: (name) => sources.get(name.replace(/\.ts$/, "")) ?? null,
    writeFile: (_, contents) => {
      if (contents instanceof Uint8Array) outputs.push(contents);
    },
    listFiles: () => [],
    stdout: { write },
    stderr: { write },
  });
  // A warning counts: it is either a mistake or noise that hides one.
  const [output] = outputs;
  if (error !== null || complaints !== "" || output === undefined) {
    throw new Error(`Cannot compile the CPU kernels:\n${complaints || error}`);
  }
  return withSection(output, DIGEST_SECTION, await sourceDigest(sources));
}

/** A module with a custom section appended. */
function withSection(module: Uint8Array, name: string, text: string): Uint8Array {
  const encoder = new TextEncoder();
  const [nameBytes, textBytes] = [encoder.encode(name), encoder.encode(text)];
  const content = [...leb128(nameBytes.length), ...nameBytes, ...textBytes];
  return Uint8Array.from([...module, 0, ...leb128(content.length), ...content]);
}

/** An unsigned number as WebAssembly writes it. */
function leb128(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}

if (import.meta.main) {
  const bytes = await buildKernels(await readKernelSources());
  await Deno.writeFile(KERNELS_WASM, bytes);
  const line = `Wrote ${KERNELS_WASM.pathname}, ${bytes.length} bytes\n`;
  await Deno.stdout.write(new TextEncoder().encode(line));
}
