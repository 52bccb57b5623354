import pkg from "../package.json" with { type: "json" };

/** Of the deployed code; `/health` tells it. */
export const VERSION: string = pkg.version;
