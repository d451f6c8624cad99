// The review page. Everything it shows comes from the server, which saves each choice at once.
import "./export.js";
import "./keyboard.js";
import "./region.js";
import { startList } from "./list.js";
import { poll, refresh } from "./refresh.js";

await refresh();
await startList();
poll(5000);
