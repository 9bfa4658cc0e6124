/** The style sheet of a trace's HTML file. */
export const TRACE_STYLE = `
:root { color-scheme: light dark; --ink: #1c2128; --paper: #fff; --line: #d8dee4; --soft: #656d76; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; --soft: #8d96a0; }
}
body { font: 14px/1.4 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 1.5rem; }
h1 { font-size: 1.2rem; } h2 { font-size: 1rem; }
small, .axis, .time { color: var(--soft); font-weight: normal; }
code, .time, td { font-family: ui-monospace, monospace; }
.hue0 { --bar: #2f81f7; } .hue1 { --bar: #2da44e; } .hue2 { --bar: #a371f7; }
.hue3 { --bar: #d29922; } .hue4 { --bar: #1b9e9e; } .hue5 { --bar: #db61a2; }
summary, .axis { display: grid; grid-template-columns: minmax(9rem, 28%) 1fr 5.5rem; gap: .5rem;
  align-items: center; }
summary { cursor: pointer; border-top: 1px solid var(--line); padding: .15rem 0; }
summary:focus-visible { outline: 2px solid var(--bar); }
.axis { grid-template-columns: minmax(9rem, 28%) repeat(5, 1fr) 5.5rem; }
.axis span:first-child { grid-column: 2; }
.name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.path .name { font-weight: 600; }
.track { position: relative; height: 1rem; }
.track i { position: absolute; top: .15rem; bottom: .15rem; min-width: 2px; }
.bar { background: var(--bar); opacity: .55; border-radius: 2px; }
.path .bar { opacity: 1; }
.error .bar { background: #e5534b; } .error .name { color: #e5534b; }
.open .bar { background: repeating-linear-gradient(90deg, var(--bar) 0 4px, transparent 4px 8px); }
.track .hole, .key.hole { background: repeating-linear-gradient(45deg, var(--paper) 0 3px,
  var(--soft) 3px 4px); }
.track .event { width: 3px; top: 0; bottom: 0; background: var(--ink); }
.time { text-align: right; }
.key { display: inline-block; padding: 0 .4rem; border-left: .8rem solid var(--bar, var(--line)); }
.key.path { font-weight: 600; }
.key.event { border-left: 3px solid var(--ink); }
@media (max-width: 640px) {
  body { margin: .6rem; }
  summary { grid-template-columns: 1fr auto; gap: 0 .5rem; }
  .track { grid-row: 2; grid-column: 1 / -1; }
  .axis { grid-template-columns: repeat(5, 1fr); }
  .axis span:first-child { grid-column: 1; }
  td { font-size: .85rem; }
}
table { margin: .3rem 0 .8rem 1rem; border-collapse: collapse; }
th { text-align: left; font-weight: normal; color: var(--soft); padding-right: 1rem;
  vertical-align: top; }
td { overflow-wrap: anywhere; }
`;
