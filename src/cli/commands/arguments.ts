/** Arguments that several commands have. */

export const dbArg = {
  db: { type: "positional", description: "Path of the database", required: true },
} as const;
