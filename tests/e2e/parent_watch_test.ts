import { assertEquals } from "@std/assert/mod.js";
import { PARENT_WATCH_FLAG } from "../../shared/provision/parent_watch.ts";
import { denoRun, isRunning, Program } from "../kit/program.ts";

const IS_WINDOWS = Deno.build.os === "windows";
const SERVICE = "tests/kit/programs/watched_service.ts";
const PLAIN_PROGRAM = denoRun("tests/kit/programs/plain_program.ts");

function startService(...args: string[]): Program {
  return new Program(denoRun(SERVICE, ...args), { input: "open" });
}

/** `run_with_parent` around a program that knows nothing of its parent. */
function startWrapped(...args: string[]): Program {
  const wrapper = denoRun("shared/provision/run_with_parent.ts", "2000");
  return new Program([...wrapper, ...PLAIN_PROGRAM, ...args], { input: "open" });
}

async function pidOf(program: Program): Promise<number> {
  return Number((await program.waitForOutput(/^up (\d+)$/m))[1]);
}

Deno.test({
  name: "exitWithParent lets the service drain when its parent is gone",
  ignore: IS_WINDOWS,
  fn: async () => {
    await using service = startService(PARENT_WATCH_FLAG);
    await pidOf(service);
    await service.closeInput();
    await service.waitForOutput(/^draining$/m);
    assertEquals((await service.end()).code, 7);
  },
});

Deno.test({
  name: "exitWithParent ends a service that does not drain in time",
  ignore: IS_WINDOWS,
  fn: async () => {
    await using service = startService(PARENT_WATCH_FLAG, "hang");
    await pidOf(service);
    await service.closeInput();
    assertEquals((await service.end()).code, 1);
  },
});

Deno.test({
  name: "exitWithParent without its flag leaves a service alone that was started by hand",
  ignore: IS_WINDOWS,
  fn: async () => {
    await using service = startService();
    await pidOf(service);
    await service.closeInput();
    service.signal("SIGTERM");
    await service.waitForOutput(/^draining$/m);
    assertEquals((await service.end()).code, 7);
  },
});

Deno.test({
  name: "run_with_parent ends its program when the parent is gone",
  ignore: IS_WINDOWS,
  fn: async () => {
    await using wrapper = startWrapped();
    const pid = await pidOf(wrapper);
    await wrapper.closeInput();
    await wrapper.waitForOutput(/^term$/m);
    assertEquals((await wrapper.end()).code, 0);
    assertEquals(isRunning(pid), false);
  },
});

Deno.test({
  name: "run_with_parent kills a program that ignores SIGTERM",
  ignore: IS_WINDOWS,
  fn: async () => {
    await using wrapper = startWrapped("hang");
    const pid = await pidOf(wrapper);
    wrapper.signal("SIGTERM");
    await wrapper.waitForOutput(/^term$/m);
    await wrapper.end();
    assertEquals(isRunning(pid), false);
  },
});

Deno.test("run_with_parent ends with the exit code of its program", async () => {
  await using wrapper = startWrapped("end");
  assertEquals((await wrapper.end()).code, 5);
});
