// The OlmMachine of matrix-sdk-crypto-wasm, spoken to in JSON Lines: one `{call, machine, …}` a line on standard
// input, one `{ok}` or `{error}` a line on standard output, in the same order. `node_machine.py` is the other end.
import { createInterface } from "node:readline";
import * as crypto from "@matrix-org/matrix-sdk-crypto-wasm";

const machines = new Map();
const requestTypes = { keys_upload: 0, keys_query: 1, keys_claim: 2, to_device: 3 };
const requestNames = new Map(Object.entries(requestTypes).map(([name, type]) => [type, name]));
const outcomes = new Map([
    [crypto.ProcessedToDeviceEventType.Decrypted, "decrypted"],
    [crypto.ProcessedToDeviceEventType.UnableToDecrypt, "undecryptable"],
    [crypto.ProcessedToDeviceEventType.PlainText, "plain"],
    [crypto.ProcessedToDeviceEventType.Invalid, "invalid"],
]);

// The machine asks the host for the time; here the tests say what it is.
let now = Date.now();
Date.now = () => now;

const userIds = (names) => names.map((name) => new crypto.UserId(name));
const request = (sent) => ({ id: sent.id, type: requestNames.get(sent.type), body: JSON.parse(sent.body) });
// `unused` is null where the server sent no such field.
const syncArguments = ({ to_device, changed, counts, unused }) => [
    JSON.stringify(to_device),
    new crypto.DeviceLists(userIds(changed), []),
    new Map(Object.entries(counts)),
    unused === null ? undefined : new Set(unused),
];
const processed = (events) =>
    events.map((event) => ({ outcome: outcomes.get(event.type), event: JSON.parse(event.rawEvent) }));

const calls = {
    clock({ milliseconds }) {
        now = milliseconds;
    },
    async start({ machine, user, device }) {
        const made = await crypto.OlmMachine.initialize(new crypto.UserId(user), new crypto.DeviceId(device));
        machines.set(machine, made);
        return { curve25519: made.identityKeys.curve25519.toBase64(), ed25519: made.identityKeys.ed25519.toBase64() };
    },
    async outgoing({ machine }) {
        return (await machines.get(machine).outgoingRequests()).map(request);
    },
    async sent({ machine, id, type, response }) {
        await machines.get(machine).markRequestAsSent(id, requestTypes[type], JSON.stringify(response));
    },
    async sync({ machine, ...changes }) {
        return processed(await machines.get(machine).receiveSyncChanges(...syncArguments(changes)));
    },
    async sliding_sync({ machine, ...changes }) {
        return processed(await machines.get(machine).receiveSyncChangesMsc4186(...syncArguments(changes)));
    },
    async track({ machine, users }) {
        await machines.get(machine).updateTrackedUsers(userIds(users));
    },
    async missing_sessions({ machine, users }) {
        const claim = await machines.get(machine).getMissingSessions(userIds(users));
        return claim ? request(claim) : null;
    },
    async encrypt({ machine, user, device, type, content }) {
        const found = await machines.get(machine).getDevice(new crypto.UserId(user), new crypto.DeviceId(device));
        return JSON.parse(await found.encryptToDeviceEvent(type, content));
    },
};

await crypto.initAsync();
for await (const line of createInterface({ input: process.stdin })) {
    const { call, ...args } = JSON.parse(line);
    let answer;
    try {
        answer = { ok: (await calls[call](args)) ?? null };
    } catch (error) {
        answer = { error: String(error) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
}
