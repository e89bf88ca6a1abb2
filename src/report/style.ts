// The style sheet of the page: light and dark by the reader's system, and a plain print.

export const style = `
:root {
  color-scheme: light dark;
  --page: #fff; --text: #1b1f24; --quiet: #57606a; --line: #d0d7de; --soft: #f3f5f7; --link: #0550ae;
  --right: #116329; --wrong: #a40e26; --partly: #7d4e00; --chosen: #ddf0ff; --bar: #9ec9f0;
  --shade0: #fff; --shade1: #fff1cc; --shade2: #ffd98a; --shade3: #f6a55c; --shade4: #8f3a0b; --onshade4: #fff;
  --run0: #0550ae; --run1: #bc4c00; --run2: #116329; --run3: #8250df; --run4: #a40e26; --run5: #57606a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161b; --text: #e6edf3; --quiet: #a5afba; --line: #3a434d; --soft: #1c232b; --link: #79b8ff;
    --right: #6fdc8c; --wrong: #ff9a94; --partly: #e8b54a; --chosen: #12304d; --bar: #2f5f93;
    --shade0: #12161b; --shade1: #3a2e12; --shade2: #5c4310; --shade3: #84490f; --shade4: #ffb77a; --onshade4: #1b1f24;
    --run0: #79b8ff; --run1: #ffa657; --run2: #6fdc8c; --run3: #d2a8ff; --run4: #ff9a94; --run5: #a5afba;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; padding: 1.5rem; max-width: 80rem; background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; overflow-wrap: anywhere; }
a { color: var(--link); }
nav a { margin-right: 1rem; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 1px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--page); padding: .5rem; }
.scrolled { overflow-x: auto; margin: .75rem 0; max-width: max-content; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); font-size: .875rem; padding-bottom: .25rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; white-space: nowrap; }
thead th { background: var(--soft); font-weight: 600; }
th:first-child { text-align: left; }
td small { display: block; color: var(--quiet); }
figure { margin: 1rem 0; max-width: 48rem; }
figcaption { color: var(--quiet); font-size: .875rem; }
.plot { width: 100%; height: auto; display: block; }
.plot text { fill: var(--text); font: 13px system-ui, sans-serif; }
.plot .row { text-anchor: end; }
.plot .tick { text-anchor: middle; fill: var(--quiet); font-size: 12px; }
.plot .grid { stroke: var(--line); stroke-width: 1; }
.interval { stroke: currentColor; stroke-width: 2; stroke-linecap: round; }
.sign { fill: currentColor; }
.template { fill: currentColor; opacity: .35; }
.run0 { color: var(--run0); } .run1 { color: var(--run1); } .run2 { color: var(--run2); }
.run3 { color: var(--run3); } .run4 { color: var(--run4); } .run5 { color: var(--run5); }
.curve { fill: none; stroke: currentColor; stroke-width: 2; }
.curve.raw { stroke-width: 1; opacity: .35; }
.amount { fill: currentColor; }
.legend { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
.legend svg { vertical-align: -2px; }
dl { margin: .5rem 0; }
dl > div { display: grid; grid-template-columns: minmax(5rem, 9rem) 1fr; gap: .75rem; }
dt { color: var(--quiet); overflow-wrap: anywhere; }
dd { margin: 0; overflow-wrap: anywhere; }
form { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: end; }
label { display: flex; flex-direction: column; font-size: .875rem; color: var(--quiet); }
label.wide { flex: 1 1 14rem; }
select, input { font: inherit; color: var(--text); background: var(--page); border: 1px solid var(--quiet); border-radius: 4px; padding: .3rem .5rem; max-width: 20rem; }
label.wide input { max-width: none; }
#count { margin: .5rem 0; color: var(--quiet); }
.browser { display: grid; grid-template-columns: minmax(16rem, 2fr) 3fr; gap: 1rem; }
#list { height: 36rem; overflow-y: auto; position: relative; border: 1px solid var(--line); border-radius: 4px; }
#rows { position: relative; }
.option { position: absolute; left: 0; right: 0; height: 52px; padding: 5px 8px; border-bottom: 1px solid var(--line); overflow: hidden; cursor: pointer; line-height: 20px; font-size: .875rem; }
.option > div { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.option .begin { color: var(--quiet); }
.option[aria-selected=true] { background: var(--chosen); box-shadow: inset 4px 0 var(--link); }
.option[aria-selected=true] .begin { color: var(--text); }
.mark { font-weight: 700; display: inline-block; min-width: 1.1em; }
.right { color: var(--right); } .wrong { color: var(--wrong); } .partly { color: var(--partly); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
#sample { min-width: 0; }
#sample h3 { margin-top: 0; }
#sample h4 { margin: 1rem 0 .25rem; font-size: .9rem; color: var(--quiet); font-weight: 600; }
.text { margin: 0; padding: .6rem .75rem; background: var(--soft); border-radius: 4px; white-space: pre-wrap; overflow-wrap: anywhere; font: .9rem/1.5 ui-monospace, monospace; }
.sides { display: grid; gap: 0 1rem; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }
.sides > section { min-width: 0; }
.choices { list-style: none; margin: 0; padding: 0; }
.choices li { border: 1px solid var(--line); border-radius: 4px; padding: .35rem .6rem; margin-bottom: .4rem; position: relative; overflow-wrap: anywhere; }
.choices li.chosen { background: var(--chosen); border-color: var(--link); }
.choices .scores { display: block; font-size: .8125rem; color: var(--quiet); font-variant-numeric: tabular-nums; }
.choices li.chosen .scores { color: var(--text); }
.track { display: block; height: 6px; margin-top: 4px; border: 1px solid var(--line); border-radius: 3px; overflow: hidden; }
.bar { display: block; height: 100%; background: var(--bar); }
.scale { margin: 1rem 0 0; font-size: .8125rem; color: var(--quiet); }
.scale span { padding: .1rem .4rem; border-radius: 3px; }
.tokens { list-style: none; margin: .4rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 2px; }
.tokens li { display: flex; flex-direction: column; align-items: center; border: 0; border-radius: 0; padding: 0; margin: 0; }
.token { white-space: pre; border-radius: 3px; padding: 0 .15rem; font: .9rem/1.5 ui-monospace, monospace; }
.number { font-size: .6875rem; line-height: 1.3; color: var(--quiet); font-variant-numeric: tabular-nums; }
.choices li.chosen .number { color: var(--text); }
.shade0, .shade1, .shade2, .shade3, .shade4 { color: var(--text); box-shadow: inset 0 0 0 1px var(--line); }
.shade0 { background: var(--shade0); } .shade1 { background: var(--shade1); } .shade2 { background: var(--shade2); }
.shade3 { background: var(--shade3); } .shade4 { background: var(--shade4); color: var(--onshade4); }
.tag { display: inline-block; font-size: .75rem; font-weight: 600; border: 1px solid currentColor; border-radius: 3px; padding: 0 .3rem; margin-left: .4rem; }
@media (max-width: 48rem) {
  body { padding: 1rem; }
  .browser { grid-template-columns: 1fr; }
  #list { height: 20rem; }
}
@media print {
  :root {
    color-scheme: light; --page: #fff; --text: #000; --quiet: #444; --line: #bbb; --soft: #fff; --link: #000; --chosen: #eee; --bar: #999;
    --right: #116329; --wrong: #a40e26; --partly: #7d4e00;
    --shade0: #fff; --shade1: #fff1cc; --shade2: #ffd98a; --shade3: #f6a55c; --shade4: #8f3a0b; --onshade4: #fff;
    --run0: #0550ae; --run1: #bc4c00; --run2: #116329; --run3: #8250df; --run4: #a40e26; --run5: #57606a;
  }
  body { max-width: none; padding: 0; font-size: 10pt; print-color-adjust: exact; }
  .skip, nav, form, #count, #list { display: none; }
  body:not(.chosen) #samples { display: none; }
  .browser { display: block; }
  .scrolled { overflow: visible; }
  th, td { white-space: normal; padding: .15rem .4rem; }
  table, figure, .choices li { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .text { border: 1px solid var(--line); }
}
`
