/** Small tar, tgz and zip archives for tests, good and hostile. */

import { crc32, deflateRawSync, gzipSync } from "node:zlib";
import { concat } from "@std/bytes/mod.js";

export interface TarMember {
  readonly name: string;
  readonly content?: Uint8Array | string;
  /** ustar type flag; "0", a regular file, by default. */
  readonly type?: string;
  /** What the header says instead of the content's length. */
  readonly claimedBytes?: number;
  readonly prefix?: string;
}

const BLOCK = 512;

function bytesOf(content: Uint8Array | string | undefined): Uint8Array {
  return typeof content === "string"
    ? new TextEncoder().encode(content)
    : content ?? new Uint8Array();
}

export function makeTar(members: readonly TarMember[]): Uint8Array<ArrayBuffer> {
  const parts = members.flatMap((member) => {
    const content = bytesOf(member.content);
    const padding = new Uint8Array((BLOCK - content.length % BLOCK) % BLOCK);
    return [tarHeader(member, content.length), content, padding];
  });
  return concat([...parts, new Uint8Array(2 * BLOCK)]);
}

function tarHeader(member: TarMember, contentBytes: number): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const put = (text: string, offset: number) => header.set(new TextEncoder().encode(text), offset);
  const size = member.claimedBytes ?? contentBytes;
  put(member.name.slice(0, 100), 0);
  put("0000644\0", 100);
  put(`${size.toString(8).padStart(11, "0")}\0`, 124);
  put("        ", 148);
  put(member.type ?? "0", 156);
  put("ustar\x0000", 257);
  put(member.prefix ?? "", 345);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

export function makeTgz(members: readonly TarMember[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(makeTar(members)));
}

export interface ZipMember {
  readonly name: string;
  readonly content: Uint8Array | string;
  readonly isStored?: boolean;
  /** What the directory says instead of the truth. */
  readonly claimed?: {
    readonly sizeBytes?: number;
    readonly crc32?: number;
    readonly method?: number;
    readonly flags?: number;
    readonly headerOffset?: number;
  };
}

export function makeZip(members: readonly ZipMember[], comment = ""): Uint8Array<ArrayBuffer> {
  const locals: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let offset = 0;
  for (const member of members) {
    const content = bytesOf(member.content);
    const data = member.isStored ? content : new Uint8Array(deflateRawSync(content));
    const name = new TextEncoder().encode(member.name);
    const claimed = member.claimed ?? {};
    const fields = new DataView(new ArrayBuffer(26));
    fields.setUint16(0, 20, true);
    fields.setUint16(2, claimed.flags ?? 0, true);
    fields.setUint16(4, claimed.method ?? (member.isStored ? 0 : 8), true);
    fields.setUint32(10, claimed.crc32 ?? crc32(content), true);
    fields.setUint32(14, data.length, true);
    fields.setUint32(18, claimed.sizeBytes ?? content.length, true);
    fields.setUint16(22, name.length, true);
    const shared = new Uint8Array(fields.buffer);
    const local = concat([signature(0x04034b50), shared, name, data]);
    const tail = new DataView(new ArrayBuffer(14));
    tail.setUint32(10, claimed.headerOffset ?? offset, true);
    central.push(
      concat([
        signature(0x02014b50),
        new Uint8Array([20, 0]),
        shared,
        new Uint8Array(tail.buffer),
        name,
      ]),
    );
    locals.push(local);
    offset += local.length;
  }
  const directory = concat(central);
  const commentBytes = new TextEncoder().encode(comment);
  const end = new DataView(new ArrayBuffer(18));
  end.setUint16(4, members.length, true);
  end.setUint16(6, members.length, true);
  end.setUint32(8, directory.length, true);
  end.setUint32(12, offset, true);
  end.setUint16(16, commentBytes.length, true);
  return concat([
    ...locals,
    directory,
    signature(0x06054b50),
    new Uint8Array(end.buffer),
    commentBytes,
  ]);
}

function signature(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value, true);
  return new Uint8Array(view.buffer);
}
