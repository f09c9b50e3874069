"""How the report looks: light and dark, from phone to desk, on paper too."""

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#20242c, #e9e6df); --paper: light-dark(#faf9f6, #15171b);
  --card: light-dark(#ffffff, #1d2026); --line: light-dark(#e2ded5, #343842); --quiet: light-dark(#5f6672, #a3a9b5);
  --accent: light-dark(#0d6f6c, #56c7bf); --second: light-dark(#c05621, #f0a067);
  --third: light-dark(#6b4fa0, #b79cf0); }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: var(--ink);
  background: var(--paper); }
header, section { max-width: 1120px; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
header > p:first-child { margin: 0; color: var(--accent); font-weight: 600; letter-spacing: .04em; }
h1 { font-size: clamp(1.8rem, 5vw, 2.6rem); line-height: 1.15; margin: .1rem 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 3rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .4rem 0 .8rem; max-width: 44rem; }
.lead { font-size: 1.12rem; } .lead strong { color: var(--accent); font-variant-numeric: tabular-nums; }
.absent { color: var(--quiet); border-left: 3px solid var(--line); padding-left: .8rem; }
.skip { position: absolute; left: -999px; } .skip:focus { left: 1rem; top: .5rem; }
a { color: var(--accent); }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
nav { display: flex; flex-wrap: wrap; gap: .4rem .5rem; margin: 1.2rem 0 0; }
nav a { text-decoration: none; border: 1px solid var(--line); background: var(--card); border-radius: 99px;
  padding: .2rem .8rem; font-size: .9rem; color: var(--ink); }
nav a:hover { border-color: var(--accent); color: var(--accent); }
.road { list-style: none; padding: 0; margin: 1rem 0; display: grid; gap: .8rem; overflow: hidden;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 190px), 1fr)); }
.road li { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem;
  display: flex; flex-direction: column; position: relative; }
.road li + li::before { content: ""; position: absolute; left: -.82rem; top: 50%; width: .84rem;
  border-top: 1px dashed var(--quiet); }
.road b { font-size: 1.5rem; font-variant-numeric: tabular-nums; line-height: 1.2; }
.road span { font-weight: 600; } .road small { color: var(--quiet); }
.bars { list-style: none; padding: 0; margin: .6rem 0 1.2rem; }
.bars li { display: grid; grid-template-columns: minmax(6.5rem, 11rem) 1fr minmax(6.5rem, auto); gap: .8rem;
  align-items: center;
  padding: .18rem 0; }
.bars .label { overflow-wrap: anywhere; line-height: 1.2; }
  .bars .value { font-variant-numeric: tabular-nums; font-size: .92rem; }
.track { position: relative; height: .8rem; background: var(--line); border-radius: 4px; }
.track b { position: absolute; inset: 0 auto 0 0; background: var(--accent); border-radius: 4px; }
.track i { position: absolute; top: -.25rem; bottom: -.25rem; border: solid var(--ink); border-width: 0 2px; }
.track i::after { content: ""; position: absolute; left: 0; right: 0; top: 50%; border-top: 2px solid var(--ink);
  margin-top: -1px; }
.columns { display: grid; gap: 0 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
.columns .bars li { grid-template-columns: 5.5rem 1fr auto; }
.columns .wide { grid-column: 1 / -1; min-width: 0; } .columns > div { min-width: 0; }
.scroll { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .7rem; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { color: var(--quiet); font-weight: 600; vertical-align: bottom; }
  th[scope=row] { font-weight: 500; white-space: nowrap; }
.n { text-align: right; }
.heat thead th { white-space: normal; }
.heat td { background: color-mix(in srgb, var(--accent) calc(var(--heat) * 62%), transparent);
  border: 1px solid var(--paper); min-width: 3.2rem; }
.heat td.own { outline: 1.5px solid var(--ink); outline-offset: -2px; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--accent); width: fit-content; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 290px), 1fr)); }
figure { margin: 0; min-width: 0; }
  figcaption { color: var(--quiet); font-size: .85rem; overflow-wrap: anywhere; line-height: 1.3; }
.charts figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .6rem; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--quiet); font-size: 11px; }
.grid { stroke: var(--line); } polyline { fill: none; stroke: var(--third); }
  .thin { stroke-width: 1; opacity: .4; } .bold { stroke-width: 2.5; }
.train { stroke: var(--quiet); } .held_out { stroke: var(--accent); } .inner { stroke: var(--second); }
.key::before { content: ""; display: inline-block; width: 1.2rem; border-top: 3px solid var(--third);
  margin-right: .35rem; vertical-align: middle; }
.key.train::before { border-color: var(--quiet); } .key.held_out::before { border-color: var(--accent); }
  .key.inner::before { border-color: var(--second); }
.tiles { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); }
.tiles img { width: 100%; border-radius: 8px; display: block; margin-bottom: .3rem; }
.sheets img { width: 100%; min-width: 720px; height: auto; border-radius: 6px; background: #fff; }
pre { overflow: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem;
  font-size: .85rem; }
code { font-size: .9em; } .plain { padding-left: 1.1rem; font-size: .9rem; overflow-wrap: anywhere; }
main { padding-bottom: 4rem; }
@media (max-width: 560px) { .bars li, .columns .bars li { grid-template-columns: 1fr auto; gap: 0 .8rem; }
  .bars .track { grid-column: 1 / -1; grid-row: 2; margin-bottom: .3rem; }
  .road { grid-template-columns: 1fr 1fr; } }
@media print { nav, .skip { display: none; } section { break-inside: avoid-page; } }
"""
