import { once } from "node:events";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { MODEL_NAME } from "./model.ts";
import { provideModel, TOKENIZER_PATH } from "./model-file.ts";
import { EmbeddingPool } from "./pool.ts";
import { createEmbeddingServer } from "./server.ts";

const USAGE = `Serves embeddings of ${MODEL_NAME} (int8) in OpenAI's format, on 127.0.0.1.

  node scripts/embedder/main.ts --cache FOLDER [--port 8002] [--threads N]

  --cache    where the model is kept once it is built
  --threads  processor cores to use, by default all, at most 4
`;

const { values } = parseArgs({
  options: {
    cache: { type: "string" },
    port: { type: "string", default: "8002" },
    threads: { type: "string", default: String(Math.min(availableParallelism(), 4)) },
    help: { type: "boolean", default: false },
  },
});

if (values.help || values.cache === undefined) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 1);
}

const modelPath = await provideModel(values.cache);
const pool = await EmbeddingPool.open(
  { modelPath, tokenizerPath: TOKENIZER_PATH },
  Number(values.threads),
  (failure) => {
    console.error(failure);
    process.exit(1);
  },
);
const server = createEmbeddingServer(pool);
server.listen(Number(values.port), "127.0.0.1");
await once(server, "listening");
console.log(`${MODEL_NAME} listens on http://127.0.0.1:${values.port}`);
