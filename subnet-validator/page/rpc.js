// One WebSocket for calls and subscriptions. It comes back by itself and subscribes again; calls made meanwhile fail at once.

const WAIT_FIRST_MS = 500;
const WAIT_MAX_MS = 15_000;
const ANSWER_MAX_MS = 20_000;

export class RpcError extends Error {
  constructor({ code, message, data }) {
    super(message);
    this.code = data?.code ?? code;
    this.retryAfterMs = data?.retryAfterMs;
  }
}

export class Connection {
  #socket = null;
  #next = 1;
  #calls = new Map();
  #topics = [];
  #handlers = new Map();
  #wait = WAIT_FIRST_MS;

  /// `changed` is told "open" and "closed".
  constructor(url, changed) {
    this.url = url;
    this.changed = changed;
    this.#open();
  }

  #open() {
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = WAIT_FIRST_MS;
      for (const topic of this.#topics) this.#begin(topic);
      this.changed("open");
    };
    socket.onmessage = (event) => this.#take(JSON.parse(event.data));
    socket.onclose = () => {
      for (const { reject } of this.#calls.values()) reject(new RpcError({ code: "closed", message: "the connection was lost" }));
      this.#calls.clear();
      this.#handlers.clear();
      this.changed("closed");
      setTimeout(() => this.#open(), this.#wait);
      this.#wait = Math.min(this.#wait * 2, WAIT_MAX_MS);
    };
  }

  #take(message) {
    if (message.id !== undefined && message.id !== null) {
      const call = this.#calls.get(message.id);
      this.#calls.delete(message.id);
      if (!call) return;
      clearTimeout(call.timer);
      if (message.error) call.reject(new RpcError(message.error));
      else call.resolve(message.result);
      return;
    }
    const { subscription, result, error } = message.params ?? {};
    const topic = this.#handlers.get(subscription);
    if (!topic) return;
    if (error) {
      // Dropped for being slow: begin again.
      this.#handlers.delete(subscription);
      setTimeout(() => this.#begin(topic), WAIT_FIRST_MS);
    } else {
      topic.told(result);
    }
  }

  call(method, params = []) {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) {
        reject(new RpcError({ code: "closed", message: "there is no connection" }));
        return;
      }
      const id = this.#next++;
      const timer = setTimeout(() => {
        this.#calls.delete(id);
        reject(new RpcError({ code: "timeout", message: "no answer came" }));
      }, ANSWER_MAX_MS);
      this.#calls.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  subscribe(name, told) {
    const topic = { name, told };
    this.#topics.push(topic);
    if (this.#socket.readyState === WebSocket.OPEN) this.#begin(topic);
  }

  async #begin(topic) {
    try {
      this.#handlers.set(await this.call(`subnet_v1_subscribe${topic.name}`), topic);
    } catch (error) {
      if (error.code === "rate_limited") setTimeout(() => this.#begin(topic), error.retryAfterMs ?? 1_000);
    }
  }
}

/// Every item of a paged list, up to `most`.
export async function all(connection, method, params, most = 300) {
  const first = await connection.call(method, params);
  const items = [...first.data.items];
  let cursor = first.data.nextCursor;
  while (cursor !== null && items.length < most) {
    const page = await connection.call(method, { ...params, cursor });
    items.push(...page.data.items);
    cursor = page.data.nextCursor;
  }
  return { asOf: first.asOf, data: { items, nextCursor: cursor } };
}
