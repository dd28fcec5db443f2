//! How large and how fast the index is: `cargo run -p authmachine-permissions --release --example scale -- 10000 1000000`.
//!
//! For each number of grants: a tenth as many users, a twentieth as many objects, groups nested three deep, 30 % of the grants on
//! groups. The records come in no order, as made on the way, so that only the index is in memory.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use authmachine_permissions::random_world::Dice;
use authmachine_permissions::{
    Change, Circumstances, Delegable, FeedEntry, Group, GroupId, Holder, Index, Member, Membership, Object,
    ObjectId, PermissionGrant, PermissionGrantId, PermissionType, PermissionTypeId, Question, Record,
    Subject, SubjectKind, Target, User, UserId, Validity,
};
use authmachine_protocol::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_000_000);
const TYPES: i64 = 20;
/// A user with this many objects is put into each world, for the list.
const LIST: i64 = 5_000;

/// Spreads ids as row ids are spread, so that they are no small numbers.
const fn row(n: i64) -> i64 {
    n * 4_099 + 1_000_000_007
}

struct Size {
    grants: i64,
    users: i64,
    objects: i64,
    groups: i64,
}

impl Size {
    fn new(grants: i64) -> Self {
        Self { grants, users: grants / 10, objects: (grants / 20).max(LIST), groups: (grants / 1_000).max(9) }
    }

    fn records(&self) -> impl Iterator<Item = Record> + use<> {
        let Self { grants, users, objects, groups } = *self;
        let user = |n| Record::User(User { id: UserId(row(n)), disabled: false, attributes: None });
        let group = |n| Record::Group(Group { id: GroupId(row(n)), code: format!("group{n}") });
        let object = |n: i64| {
            Record::Object(Object::new(ObjectId(row(n)), &format!("object{n}"), "object").expect("a code"))
        };
        let permission_type = |n: i64| {
            let implies = if n % 2 == 1 { vec![PermissionTypeId(n - 1)] } else { Vec::new() };
            Record::PermissionType(PermissionType { id: PermissionTypeId(n), code: format!("t{n}"), implies })
        };
        let membership = |member, group: i64| {
            Record::Membership(Membership { member, group: GroupId(row(group)), validity: Validity::ALWAYS })
        };
        // The last third of the groups is on top, each of the others in one of the next third.
        let third = groups / 3;
        let nesting = (0..third * 2).map(move |n| membership(Member::Group(GroupId(row(n))), n + third));
        let mut dice = Dice::new(7);
        let members =
            (0..users * 2).map(move |n| membership(Member::User(UserId(row(n / 2))), dice.below(third * 2)));
        let mut dice = Dice::new(8);
        let grant = move |n| {
            let holder = if n < LIST {
                Holder::User(UserId(row(0)))
            } else if dice.below(10) < 3 {
                Holder::Group(GroupId(row(dice.below(groups))))
            } else {
                Holder::User(UserId(row(dice.below(users))))
            };
            let object = if n < LIST { n } else { dice.below(objects) };
            Record::Grant(PermissionGrant {
                id: PermissionGrantId(row(n)),
                holder,
                target: Target::Object(ObjectId(row(object))),
                permission: PermissionTypeId(dice.below(TYPES)),
                include_children: false,
                delegable: Delegable::NO,
                validity: Validity::ALWAYS,
                condition: None,
                revoked: false,
            })
        };
        let others = (0..users).map(user).chain((0..groups).map(group)).chain((0..objects).map(object));
        let others = others.chain((0..TYPES).map(permission_type)).chain(nesting).chain(members);
        others.chain((0..grants).map(grant))
    }
}

/// Memory of this process in MB, by its name in `/proc/self/status`.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) / 1_000
}

/// User and system time of this process: what it took, whatever else the machine did.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration, Duration) {
    let (start, cpu_start) = (Instant::now(), cpu());
    let done = work();
    (done, start.elapsed(), cpu() - cpu_start)
}

/// What one read costs that finds nothing in the caches and waits for the one before it: the unit of all else, on a machine that
/// does other things too.
fn memory_latency() -> Duration {
    const LENGTH: u32 = 64 << 20;
    const READS: u32 = 2_000_000;
    // Steps of a full period: a power of two, an odd increment, a multiplier of the form 4n + 1.
    let next: Vec<u32> =
        (0..LENGTH).map(|n| n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % LENGTH).collect();
    let (_, _, cpu) = timed(|| (0..READS).fold(0_u32, |at, _| black_box(next[at as usize])));
    cpu / READS
}

/// The shortest of some runs.
fn best(runs: usize, mut work: impl FnMut()) -> Duration {
    (0..runs).map(|_| timed(&mut work).1).min().unwrap_or_default()
}

fn measure(grants: i64) {
    let size = Size::new(grants);
    let before = memory("VmRSS");
    let (made, making, making_cpu) =
        timed(|| size.records().map(|record| usize::from(matches!(record, Record::Grant(_)))).sum::<usize>());
    let (index, built, built_cpu) = timed(|| Index::build(size.records(), 0, false).expect("within limits"));
    println!("{grants} grants, {} users, {} objects, {} groups", size.users, size.objects, size.groups);
    println!(
        "  build {built:.2?} (CPU {built_cpu:.2?}), of which making {made} records {making:.2?} (CPU {making_cpu:.2?})"
    );
    println!(
        "  memory {} MB, peak of the process {} MB",
        memory("VmRSS").saturating_sub(before),
        memory("VmHWM")
    );

    let circumstances = Circumstances::at(NOW);
    let mut dice = Dice::new(9);
    // Every other question is about a grant that there is, so that both answers come.
    let held = size.records().filter_map(|record| match record {
        Record::Grant(PermissionGrant {
            holder: Holder::User(user),
            target: Target::Object(object),
            permission,
            ..
        }) => Some((user, (object.0 - row(0)) / (row(1) - row(0)), permission.0)),
        _ => None,
    });
    let mut held: Vec<_> = held.step_by(usize::try_from(grants / 1_000_000 + 1).expect("small")).collect();
    held.sort_by_cached_key(|_| dice.any());
    let mut question = |n: usize| {
        let (user, object, permission) = if n.is_multiple_of(2) {
            held[n / 2 % held.len()]
        } else {
            (UserId(row(dice.below(size.users))), dice.below(size.objects), dice.below(TYPES))
        };
        (Subject::User(user), format!("object{object}"), format!("t{permission}"))
    };
    let questions: Vec<_> = (0..1_000_000).map(&mut question).collect();
    let ask = |(subject, object, permission): &(Subject, String, String)| {
        let question = Question { subject: *subject, object, permission };
        index.check(&question, &circumstances).expect("simple")
    };
    let yes = questions.iter().filter(|question| ask(question)).count();
    let (_, wall, cpu) = timed(|| questions.iter().filter(|question| black_box(ask(question))).count());
    let mut each: Vec<Duration> = questions[..200_000]
        .iter()
        .map(|question| {
            let start = Instant::now();
            black_box(ask(question));
            start.elapsed()
        })
        .collect();
    each.sort_unstable();
    println!(
        "  check {:.2} M/s of CPU ({:.2} M/s by the clock), p50 {:.2?}, p99 {:.2?}; {yes} of 1000000 yes",
        1.0 / cpu.as_secs_f64(),
        1.0 / wall.as_secs_f64(),
        each[each.len() / 2],
        each[each.len() * 99 / 100],
    );

    let first = Subject::User(UserId(row(0)));
    let list = index.objects_of(first, "t0", &circumstances, 10_000).expect("short").len();
    // A list looks through all rights of its subject, so all are counted.
    let all: usize = (0..TYPES)
        .map(|n| index.objects_of(first, &format!("t{n}"), &circumstances, 10_000).expect("short").len())
        .sum();
    let listing = best(20, || drop(black_box(index.objects_of(first, "t0", &circumstances, 10_000))));
    println!("  list {list} objects of a user with {all} rights {listing:.2?}");
    let hundred: Vec<String> = (0..100).map(|n| format!("object{n}")).collect();
    let mapping = best(20, || {
        drop(black_box(index.map(first, hundred.iter().map(String::as_str), |_| true, &circumstances)));
    });
    let subjects =
        index.subjects_of(SubjectKind::User, "object1", "t1", &circumstances, 100_000).expect("few").len();
    let searching = best(20, || {
        drop(black_box(index.subjects_of(SubjectKind::User, "object1", "t1", &circumstances, 100_000)))
    });
    println!("  map of 100 objects {mapping:.2?}; {subjects} users of an object {searching:.2?}");

    let new = size.records().filter_map(|record| match record {
        Record::Grant(grant) => {
            Some(Record::Grant(PermissionGrant { id: PermissionGrantId(-grant.id.0), ..grant }))
        }
        _ => None,
    });
    let entry = |(revision, record)| FeedEntry { revision, change: Change::Put(record) };
    let entries: Vec<_> = (1..=1_000).zip(new.skip(5_000)).map(entry).collect();
    let (changed, applied, _) = timed(|| index.apply(&entries).expect("no gap"));
    println!("  apply 1000 changes {applied:.2?}, is large: {}", changed.is_overlay_large());
}

fn main() {
    let sizes: Vec<i64> =
        std::env::args().skip(1).map(|size| size.parse().expect("a number of grants")).collect();
    for size in if sizes.is_empty() { vec![10_000, 100_000, 1_000_000] } else { sizes } {
        measure(size);
    }
    println!("one read of memory takes {:.2?}", memory_latency());
}
