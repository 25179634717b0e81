/** Select Graphic Rendition (ECMA-48 8.3.117), as far as it is needed here. */
const codes = { red: [31, 39], cyan: [36, 39], dim: [2, 22] } as const;

export function paint(colour: keyof typeof codes, text: string): string {
  const [on, off] = codes[colour];
  return text === "" ? "" : `\u001b[${on}m${text}\u001b[${off}m`;
}
