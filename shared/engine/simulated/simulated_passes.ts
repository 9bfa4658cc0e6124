/** How the time of a simulated step is said to divide into passes. Made up, like the time itself. */

import type { PassTime } from "../backend.ts";

const SHARES = [["embed", 0.02], ["layers", 0.85], ["output", 0.1], ["sample", 0.03]] as const;
/** Of a step that samples nothing, as in the middle of a prompt. */
const UNSAMPLED_SHARES = [["embed", 0.02], ["layers", 0.98]] as const;
const LAYER_SHARES = { linear: 0.75, attention: 0.2, other: 0.05 } as const;

/** The passes of a step that took `stepMs`, one after the other. */
export function simulatedPasses(
  stepMs: number,
  { isSampling }: { readonly isSampling: boolean },
): PassTime[] {
  let startMs = 0;
  return (isSampling ? SHARES : UNSAMPLED_SHARES).map(([name, share]): PassTime => {
    const pass = { name, startMs, durationMs: share * stepMs, kinds: {} };
    startMs += pass.durationMs;
    return name === "layers" ? { ...pass, kinds: kindsOf(pass.durationMs) } : pass;
  });
}

function kindsOf(layersMs: number): PassTime["kinds"] {
  const { linear, attention, other } = LAYER_SHARES;
  return { linear: linear * layersMs, attention: attention * layersMs, other: other * layersMs };
}
