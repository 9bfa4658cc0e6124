/**
 * Fills `into` from byte `offset` of a file on. Returns the bytes read: fewer than asked for only where
 * the file ends. A file has one position, so reads of one must not overlap in time.
 */
export async function readAt(
  file: Deno.FsFile,
  offset: number,
  into: Uint8Array,
): Promise<number> {
  await file.seek(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < into.length) {
    const read = await file.read(into.subarray(filled));
    if (read === null) break;
    filled += read;
  }
  return filled;
}
