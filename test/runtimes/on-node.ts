import process from "node:process";
import { createEngine } from "varve/node";
import { main, type Setup } from "./process-main.ts";

await main(createEngine, JSON.parse(process.argv[2] ?? "{}") as Setup);
