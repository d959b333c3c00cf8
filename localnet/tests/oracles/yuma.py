"""A second implementation of the epoch, in floating point, for comparison with the runtime's in fixed point.

Standard library only, and written from the description of the algorithm, not from the Rust code. Reads a JSON list of
subnets (the state before an epoch, as tests/it/yuma.rs writes it) from standard input; writes the list of what their
epochs find to standard output, every proportion as a share of one.
"""

import json
import math
import sys

U16 = 65535
U64 = 2**64 - 1


def normalized(vector):
    total = sum(vector)
    return [x / total for x in vector] if total > 0 else list(vector)


def columns_normalized(matrix):
    size = len(matrix)
    sums = [sum(row[j] for row in matrix) for j in range(size)]
    return [[row[j] / sums[j] if sums[j] > 0 else row[j] for j in range(size)] for row in matrix]


def stake_of(subnet):
    weight = [
        alpha + root * subnet["tao_weight"] / U64 for alpha, root in zip(subnet["alpha"], subnet["root"])
    ]
    owner = subnet["owner"]
    return normalized(
        [s if s >= subnet["stake_threshold"] or uid == owner else 0.0 for uid, s in enumerate(weight)]
    )


def permits_of(stake, count, owner):
    """The `count` largest stakes above zero; of equals the later uid stays. The owner always."""
    order = sorted(range(len(stake)), key=lambda uid: stake[uid])
    chosen = set(order[max(0, len(stake) - count) :])
    return [uid == owner or (uid in chosen and stake[uid] > 0) for uid in range(len(stake))]


def consensus_of(stake, weights, kappa):
    """For every neuron the stake-weighted median: the score at which the stake below first exceeds what is not majority."""
    size = len(stake)
    voters = [i for i in range(size) if stake[i] > 0]
    total = sum(stake[i] for i in voters)
    result = []
    for j in range(size):
        below, median = 0.0, 0.0
        for i in sorted(voters, key=lambda i: weights[i][j]):
            median = weights[i][j]
            below += stake[i]
            if below > total - kappa:
                break
        result.append(median)
    return result


def first_commits(subnet, mechanism):
    """Block of each neuron's earliest commit that can still be revealed; None without one, or without commit-reveal."""
    if not subnet["commit_reveal"]:
        return [None] * subnet["size"]
    expired_before = subnet["epoch"] - subnet["reveal_period"]
    blocks = [[block for epoch, block in own if epoch >= expired_before] for own in mechanism["commits"]]
    return [min(own) if own else None for own in blocks]


def weights_of(subnet, mechanism, permits):
    size = subnet["size"]
    registered, updated = subnet["registered"], mechanism["last_update"]
    committed = first_commits(subnet, mechanism)
    rows = []
    for i in range(size):
        row = [0.0] * size
        if permits[i]:
            for j, value in mechanism["weights"][i]:
                known = updated[i] > registered[j] and (committed[i] is None or committed[i] >= registered[j])
                if (i != j or i == subnet["owner"]) and known:
                    row[j] = float(value)
        rows.append(normalized(row))
    return rows


def bonds_of(subnet, mechanism):
    size, last = subnet["size"], subnet["last_step"]
    since = last + 1 if last > 0 else subnet["block"] - subnet["tempo"]
    matrix = [[0.0] * size for _ in range(size)]
    for i in range(size):
        for j, value in mechanism["bonds"][i]:
            if since > subnet["registered"][j]:
                matrix[i][j] = value / U16
    return matrix


def liquid_alpha(subnet, weight, bond, consensus):
    low, high = (share / U16 for share in subnet["alpha_values"])
    if weight >= bond:
        difference = min(max(weight - consensus, 0.0), 1.0)
    else:
        difference = min(max(bond - weight, 0.0), 1.0)
    exponent = -subnet["steepness"] / 100 * (difference - 0.5)
    sigmoid = 1 / (1 + math.exp(min(max(exponent, -20.0), 20.0)))
    return min(max(low + sigmoid * (high - low), low), high)


def yuma3(subnet, mechanism, backing, consensus, incentive, stake):
    size = subnet["size"]
    old = bonds_of(subnet, mechanism)
    if subnet["liquid_alpha"] and any(c != 0 for c in consensus):
        mode, full_penalty = subnet["consensus_mode"], subnet["bonds_penalty"] == U16
        if mode == "Previous" or (mode == "Auto" and full_penalty):
            measured = [share / U16 for share in mechanism["previous_consensus"]]
        else:
            measured = consensus
        bonds = [[0.0] * size for _ in range(size)]
        for i in range(size):
            for j in range(size):
                if backing[i][j] > 0:
                    alpha = liquid_alpha(subnet, backing[i][j], old[i][j], measured[j])
                    bonds[i][j] = min((1 - alpha) * old[i][j] + alpha * backing[i][j], 1.0)
    else:
        alpha = 1 - subnet["bonds_moving_average"] / 1_000_000
        bonds = [[alpha * backing[i][j] + (1 - alpha) * old[i][j] for j in range(size)] for i in range(size)]
    shares = columns_normalized(bonds)
    dividends = [stake[i] * sum(shares[i][j] * incentive[j] for j in range(size)) for i in range(size)]
    return bonds, normalized(dividends)


def classic(subnet, mechanism, backing, incentive, stake):
    size = subnet["size"]
    old = columns_normalized(bonds_of(subnet, mechanism))
    new = columns_normalized([[backing[i][j] * stake[i] for j in range(size)] for i in range(size)])
    alpha = 1 - subnet["bonds_moving_average"] / 1_000_000
    bonds = columns_normalized(
        [[alpha * new[i][j] + (1 - alpha) * old[i][j] for j in range(size)] for i in range(size)]
    )
    dividends = normalized([sum(bonds[i][j] * incentive[j] for j in range(size)) for i in range(size)])
    largest = [max(row[j] for row in bonds) for j in range(size)]
    scaled = [[row[j] / largest[j] if largest[j] > 0 else 0.0 for j in range(size)] for row in bonds]
    return scaled, dividends


def mechanism_epoch(subnet, mechanism, stake, permits, new_permits, emission):
    size, block = subnet["size"], subnet["block"]
    cutoff = max(1, subnet["activity_factor"] * subnet["tempo"] // 1000)
    active = [updated + cutoff >= block for updated in mechanism["last_update"]]
    active_stake = normalized([stake[i] if active[i] and permits[i] else 0.0 for i in range(size)])

    weights = weights_of(subnet, mechanism, permits)
    consensus = consensus_of(active_stake, weights, subnet["kappa"] / U16)
    clipped = [[min(weights[i][j], consensus[j]) for j in range(size)] for i in range(size)]
    trust = [sum(row) for row in clipped]
    incentive = normalized([sum(active_stake[i] * clipped[i][j] for i in range(size)) for j in range(size)])

    penalty = subnet["bonds_penalty"] / U16
    backing = [
        [weights[i][j] + penalty * (clipped[i][j] - weights[i][j]) for j in range(size)] for i in range(size)
    ]
    if subnet["yuma3"]:
        bonds, dividends = yuma3(subnet, mechanism, backing, consensus, incentive, active_stake)
    else:
        bonds, dividends = classic(subnet, mechanism, backing, incentive, active_stake)

    total = sum(incentive) + sum(dividends)
    if total > 0:
        servers = [x / total for x in incentive]
        validators = [x / total for x in dividends]
    else:
        servers = [0.0] * size
        validators = active_stake if sum(active_stake) > 0 else stake
    return {
        "active": active,
        "consensus": consensus,
        "incentive": incentive,
        "dividends": dividends,
        "trust": trust,
        "bonds": [bonds[i] if new_permits[i] else [0.0] * size for i in range(size)],
        "server_alpha": [x * emission for x in servers],
        "combined_alpha": [(a + b) * emission for a, b in zip(servers, validators)],
    }


def split(subnet, count):
    """Whole alpha of each mechanism; what is left over goes to the first."""
    emission, parts = subnet["emission"], subnet["split"]
    if parts is not None and len(parts) == count:
        shares = [emission * part // U16 for part in parts]
    else:
        shares = [emission // count] * count
    shares[0] += emission - sum(shares)
    return shares


def epoch(subnet):
    size, count = subnet["size"], len(subnet["mechanisms"])
    stake = stake_of(subnet)
    permits = [p or uid == subnet["owner"] for uid, p in enumerate(subnet["permits"])]
    new_permits = permits_of(stake, subnet["validators_max"], subnet["owner"])
    emissions = split(subnet, count)
    outcomes = [
        mechanism_epoch(subnet, mechanism, stake, permits, new_permits, emission)
        for mechanism, emission in zip(subnet["mechanisms"], emissions)
    ]
    if subnet["emission"] > 0:
        shares = [emission / subnet["emission"] for emission in emissions]
    else:
        shares = [1.0] + [0.0] * (count - 1)

    def merged(name):
        return [sum(s * outcome[name][uid] for s, outcome in zip(shares, outcomes)) for uid in range(size)]

    return {
        "stake": stake,
        "permits": new_permits,
        "active": [any(outcome["active"][uid] for outcome in outcomes) for uid in range(size)],
        "consensus": merged("consensus"),
        "dividends": merged("dividends"),
        "trust": merged("trust"),
        "emission": merged("combined_alpha"),
        "mechanisms": [
            {name: outcome[name] for name in ("incentive", "consensus", "bonds", "server_alpha")}
            for outcome in outcomes
        ],
    }


if __name__ == "__main__":
    json.dump([epoch(subnet) for subnet in json.load(sys.stdin)], sys.stdout)
