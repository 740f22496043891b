use super::*;

fn tasks(asserted: bool) -> Tasks {
    Tasks::new(TaskLimits { per_owner: 2, overall: 8, asserted, ttl: Duration::from_secs(60) })
}

fn begin(tasks: &Tasks, owner: Owner) -> Result<(), TaskError> {
    let id = new_id()?;
    tasks.insert(id.clone(), Entry::new(id, owner, tasks.limits.ttl, POLL_MS, CancellationToken::new()))
}

#[test]
fn whom_nobody_vouches_for_leave_half_to_asserted_subjects() {
    let tasks = tasks(true);
    let begun = (0..8).filter(|&session| begin(&tasks, Owner::Session(session)).is_ok()).count();
    assert_eq!(begun, 4);
    assert!(begin(&tasks, Owner::Anonymous).is_err());
    let begun = (0..8).filter(|number| begin(&tasks, Owner::Subject(number.to_string())).is_ok()).count();
    assert_eq!(begun, 4);
}

#[test]
fn sessions_take_all_where_nobody_is_asserted() {
    let tasks = tasks(false);
    let begun = (0..9).filter(|&session| begin(&tasks, Owner::Session(session)).is_ok()).count();
    assert_eq!(begun, 8);
}
