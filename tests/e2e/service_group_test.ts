import { assertEquals, assertMatch, assertRejects } from "@std/assert/mod.js";
import { ServiceGroup } from "../../services/start/service_group.ts";
import {
  ServiceError,
  type ServiceSpec,
  SupervisedService,
  type SupervisionOptions,
} from "../../services/start/supervised_service.ts";
import { isRunning } from "../kit/program.ts";
import { within } from "../kit/waits.ts";

const IS_WINDOWS = Deno.build.os === "windows";

/** Lines and restarts of services, which tests wait for. */
class Journal {
  readonly entries: string[] = [];
  #waiting: { readonly entry: string; readonly resolve: () => void }[] = [];

  options(changes: Partial<SupervisionOptions> = {}): SupervisionOptions {
    return {
      onLine: (service, line) => this.#add(`${service}: ${line}`),
      onRestart: (service, message) => this.#add(`${service} restarts: ${message}`),
      restartDelayMs: 1,
      probeIntervalMs: 5,
      ...changes,
    };
  }

  #add(entry: string): void {
    this.entries.push(entry);
    this.#waiting = this.#waiting.filter((wait) => {
      if (wait.entry === entry) wait.resolve();
      return wait.entry !== entry;
    });
  }

  async until(entry: string): Promise<void> {
    if (this.entries.includes(entry)) return;
    const come = new Promise<void>((resolve) => this.#waiting.push({ entry, resolve }));
    await within(`"${entry}"`, come, { seen: () => this.entries.join("\n") });
  }
}

function service(name: string, script: string, isReady = () => true): ServiceSpec {
  return {
    name,
    command: [Deno.execPath(), "eval", script],
    env: () => ({ GREETING: "hello" }),
    isReady: () => Promise.resolve(isReady()),
  };
}

const WAIT = `setInterval(() => {}, 1000);`;
const DRAIN = `Deno.addSignalListener("SIGTERM", () => {
  console.log("drained");
  Deno.exit(0);
}); ${WAIT} console.log("up");`;

Deno.test("SupervisedService asks before each start for what may have changed", async () => {
  const journal = new Journal();
  let starts = 0;
  const child = new SupervisedService(
    {
      ...service("a", `console.log("start", Deno.env.get("START")); Deno.exit(1);`, () => false),
      env: () => ({ START: String(++starts) }),
    },
    journal.options({ startAttempts: 2 }),
  );
  await assertRejects(() => child.ready, ServiceError);
  assertEquals(journal.entries.filter((entry) => entry.startsWith("a: start")), [
    "a: start 1",
    "a: start 2",
  ]);
});

Deno.test("SupervisedService relays lines of both streams and passes its environment", async () => {
  const journal = new Journal();
  const script = `console.log(Deno.env.get("GREETING")); console.error("oops"); ${WAIT}`;
  const child = new SupervisedService(service("a", script), journal.options());
  await journal.until("a: hello");
  await journal.until("a: oops");
  await child.stop(1000);
});

Deno.test("SupervisedService is ready when its probe says so", async () => {
  const journal = new Journal();
  let isUp = false;
  const spec = service("a", DRAIN, () => isUp);
  const child = new SupervisedService(spec, {
    ...journal.options(),
    onLine: () => isUp = true,
  });
  await child.ready;
  assertEquals(isUp, true);
  await child.stop(1000);
});

Deno.test("SupervisedService that cannot start says the child's last words, after a few tries", async () => {
  const journal = new Journal();
  const script = `console.error("baton-a: Cannot open x: no such file"); Deno.exit(1);`;
  const child = new SupervisedService(service("a", script, () => false), journal.options());
  const error = await assertRejects(() => child.ready, ServiceError);
  assertMatch(error.message, /^Cannot start a: it ended with code 1\. Its last words:\n/);
  assertMatch(error.message, /baton-a: Cannot open x: no such file$/);
  assertEquals(journal.entries.filter((entry) => entry.includes("restarts")).length, 2);
});

Deno.test("SupervisedService does not try again after wrong settings", async () => {
  const journal = new Journal();
  const spec = service("a", `Deno.exit(2);`, () => false);
  const error = await assertRejects(
    () => new SupervisedService(spec, journal.options()).ready,
    ServiceError,
  );
  assertEquals(error.message, "Cannot start a: it ended with code 2 and said nothing");
  assertEquals(journal.entries, []);
});

Deno.test("SupervisedService whose program does not exist says so", async () => {
  const spec = { ...service("a", ""), command: ["/no/such/program"], isReady: never };
  const child = new SupervisedService(spec, new Journal().options());
  await assertRejects(() => child.ready, ServiceError, "Cannot start a:");
});

function never(): Promise<boolean> {
  return Promise.resolve(false);
}

Deno.test("SupervisedService starts a child again that died after it was ready, and says so", async () => {
  const journal = new Journal();
  const child = new SupervisedService(service("a", DRAIN), journal.options());
  await child.ready;
  await journal.until("a: up");
  const first = child.pid!;
  journal.entries.length = 0;
  Deno.kill(first, "SIGKILL");
  await journal.until("a: up");
  assertMatch(
    journal.entries[0]!,
    /^a restarts: ended with code \d+; starting it again in 0\.0 s$/,
  );
  assertEquals(child.pid === first, false);
  await child.stop(1000);
});

Deno.test({
  name: "SupervisedService.stop lets the child drain",
  ignore: IS_WINDOWS,
  fn: async () => {
    const journal = new Journal();
    const child = new SupervisedService(service("a", DRAIN), journal.options());
    await journal.until("a: up");
    await child.stop(10_000);
    assertEquals(journal.entries, ["a: up", "a: drained"]);
    assertEquals(child.pid, undefined);
  },
});

const DEAF = `Deno.addSignalListener("SIGTERM", () => {}); ${WAIT} console.log("up");`;

Deno.test("SupervisedService.stop kills a child that does not drain in time", async () => {
  const journal = new Journal();
  const child = new SupervisedService(service("a", DEAF), journal.options());
  await journal.until("a: up");
  const pid = child.pid!;
  await child.stop(50);
  assertEquals(isRunning(pid), false);
});

Deno.test("SupervisedService.stop in a hurry kills at once", async () => {
  const journal = new Journal();
  const child = new SupervisedService(service("a", DEAF), journal.options());
  await journal.until("a: up");
  const hurry = new AbortController();
  const stopped = child.stop(3_600_000, hurry.signal);
  hurry.abort();
  await stopped;
});

/** A child that has a child of its own, and dies without ending it. */
const FAMILY = `new Deno.Command(Deno.execPath(), {
  args: ["eval", "console.log(Deno.pid); setInterval(() => {}, 1000);"],
}).spawn(); ${WAIT}`;

Deno.test({
  name: "SupervisedService leaves nothing behind of a child that was killed",
  ignore: IS_WINDOWS,
  fn: async () => {
    const pids: number[] = [];
    const hasPid = Promise.withResolvers<void>();
    const child = new SupervisedService(service("a", FAMILY), {
      ...new Journal().options(),
      onLine: (_, line) => {
        pids.push(Number(line));
        hasPid.resolve();
      },
    });
    await within("the process id", hasPid.promise);
    const hurry = new AbortController();
    hurry.abort();
    await child.stop(3_600_000, hurry.signal);
    // The relayed output ends only when the last process that could write to it is gone.
    assertEquals(pids.length, 1);
  },
});

Deno.test("SupervisedService.stop ends the wait for a restart", async () => {
  const journal = new Journal();
  const options = journal.options({ restartDelayMs: 3_600_000, startAttempts: 9 });
  const child = new SupervisedService(service("a", `Deno.exit(1);`, () => false), options);
  await journal.until("a restarts: ended with code 1; starting it again in 30.0 s");
  await child.stop(1000);
});

Deno.test({
  name: "ServiceGroup stops its last stage first",
  ignore: IS_WINDOWS,
  fn: async () => {
    const journal = new Journal();
    const group = new ServiceGroup(journal.options());
    await group.startStage([service("nats", DRAIN)]);
    await group.startStage([service("worker", DRAIN)]);
    await group.startStage([service("frontend", DRAIN)]);
    for (const name of ["nats", "worker", "frontend"]) await journal.until(`${name}: up`);
    await group.stop({ graceMs: 10_000 });
    assertEquals(
      journal.entries.filter((entry) => entry.endsWith("drained")),
      ["frontend: drained", "worker: drained", "nats: drained"],
    );
  },
});

Deno.test("ServiceGroup fails a stage with the service that gave up, and still stops the rest", async () => {
  const journal = new Journal();
  const group = new ServiceGroup(journal.options());
  const failing = service("bad", `Deno.exit(2);`, () => false);
  await assertRejects(
    () => group.startStage([service("good", DRAIN), failing]),
    ServiceError,
    "Cannot start bad",
  );
  await group.stop({ graceMs: 1000 });
});
