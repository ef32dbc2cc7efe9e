/** A process that does nothing but make an engine on a file that others share, and close it. */
import process from "node:process";
import { workflow } from "varve";
import { createEngine } from "varve/node";

export type BusyTold =
  | { readonly told: "began" | "opened" | "closed" }
  | { readonly told: "refused"; readonly code: string };

const tell = (line: BusyTold) => process.stdout.write(`${JSON.stringify(line)}\n`);

const nothing = workflow({ name: "nothing" }, async () => null);
tell({ told: "began" });
// Nobody waits for it at the top of the module: there a process that ends too early would at least say so.
void createEngine({ db: process.argv[2] ?? "", file: "shared", workflows: [nothing] }).then(
  async (engine) => {
    tell({ told: "opened" });
    await engine.close();
    tell({ told: "closed" });
  },
  (error) => tell({ told: "refused", code: error.code }),
);
