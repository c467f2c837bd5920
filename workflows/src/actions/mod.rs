//! The actions that plans are made of, one file each.

pub mod admit_guest;
pub mod adopt_guest;
pub mod allow_key;
pub mod ask_budget;
pub mod await_host;
pub mod await_push;
pub mod begin_generation;
pub mod change_hostname;
pub mod check_copy;
pub mod check_generation;
pub mod check_health;
pub mod check_new;
pub mod check_present;
pub mod check_reachable;
pub mod check_removed;
pub mod check_rename;
pub mod check_restore;
pub mod check_source;
pub mod check_stopped;
pub mod check_target;
pub mod choose_names;
pub mod complete_generation;
pub mod copy_files;
pub mod count_copy;
pub mod debootstrap;
pub mod demo;
pub mod disable_guest;
pub mod drop_received;
pub mod drop_sent;
pub mod drop_snapshot;
pub mod drop_template;
pub mod drop_tree;
pub mod enable_guest;
pub mod fence_guest;
pub mod go_on;
pub mod hand_over;
pub mod keep_away;
pub mod limit_volume;
pub mod list_changes;
pub mod list_objects;
pub mod make_key;
pub mod make_volume;
pub mod measure_guest;
pub mod measure_host;
pub mod pack_template;
pub mod part;
pub mod pin_generation;
pub mod place_template;
pub mod prune_generations;
pub mod purge_moved;
pub mod put_definition;
pub mod read_facts;
pub mod read_living;
pub mod receive_generation;
pub mod remove_template;
pub mod rename_guest;
pub mod rename_volume;
pub mod returned;
pub mod scan_host;
pub mod seal_generation;
pub mod send_generation;
pub mod send_last;
pub mod send_passes;
pub mod send_template;
pub mod start_guest;
pub mod start_quarantined;
pub mod stop_guest;
pub mod take_snapshot;
pub mod tell_state;
pub mod unpack_template;
pub mod unplace_guest;
pub mod verify_copy;
pub mod write_identity;

#[cfg(test)]
mod tests;

use vsjob_engine::Work;
use vsjob_workers::Registry;

use crate::Call;

/// Every action of every operation.
#[must_use]
pub fn registry() -> Registry {
    Registry::new([
        choose_names::ChooseNames::action(),
        hand_over::HandOver::action(),
        hand_over::BeginPurge::action(),
        hand_over::KeepForLater::action(),
        hand_over::WithdrawPurge::action(),
        part::BeginPart::action(),
        part::RefusePart::action(),
        keep_away::KeepAway::action(),
        returned::CheckOff::action(),
        returned::CheckElsewhere::action(),
        returned::FenceReturned::action(),
        part::AwaitPart::action(),
        send_template::SendTemplate::action(),
        demo::Prepare::action(),
        demo::Borrow::action(),
        demo::AwaitGo::action(),
        demo::Publish::action(),
        demo::Tidy::action(),
        check_source::CheckSource::action(),
        read_facts::ReadFacts::action(),
        check_stopped::CheckStopped::action(),
        check_target::CheckTarget::action(),
        check_new::CheckNew::action(),
        make_volume::MakeVolume::action(),
        make_key::MakeKey::action(),
        allow_key::AllowKey::action(),
        send_passes::SendPasses::action(),
        ask_budget::AskBudget::action(),
        count_copy::CountCopy::action(),
        put_definition::PutDefinition::action(),
        disable_guest::DisableGuest::action(),
        stop_guest::StopGuest::action(),
        start_guest::StartGuest::action(),
        send_last::SendLast::action(),
        verify_copy::VerifyCopy::action(),
        fence_guest::FenceGuest::action(),
        rename_volume::RenameVolume::action(),
        start_quarantined::StartQuarantined::action(),
        check_health::CheckHealth::action(),
        admit_guest::AdmitGuest::action(),
        check_present::CheckPresent::action(),
        check_reachable::CheckReachable::action(),
        enable_guest::EnableGuest::action(),
        drop_sent::DropSent::action(),
        drop_received::DropReceived::action(),
        begin_generation::BeginGeneration::action(),
        take_snapshot::TakeSnapshot::action(),
        list_changes::ListChanges::action(),
        receive_generation::ReceiveGeneration::action(),
        complete_generation::CompleteGeneration::action(),
        seal_generation::SealGeneration::action(),
        drop_snapshot::DropSnapshot::action(),
        read_living::ReadLiving::action(),
        go_on::GoOn::action(),
        prune_generations::PruneGenerations::action(),
        pin_generation::PinGeneration::action(),
        check_copy::CheckCopy::action(),
        unplace_guest::UnplaceGuest::action(),
        check_removed::CheckRemoved::action(),
        check_rename::CheckRename::action(),
        change_hostname::ChangeHostname::action(),
        rename_guest::RenameGuest::action(),
        purge_moved::PurgeMoved::action(),
        debootstrap::Debootstrap::action(),
        pack_template::PackTemplate::action(),
        drop_tree::DropTree::action(),
        remove_template::RemoveTemplate::action(),
        place_template::PlaceTemplate::action(),
        unpack_template::UnpackTemplate::action(),
        drop_template::DropTemplate::action(),
        limit_volume::LimitVolume::action(),
        write_identity::WriteIdentity::action(),
        check_restore::CheckRestore::action(),
        check_generation::CheckGeneration::action(),
        await_host::AwaitHost::action(),
        await_push::AwaitPush::action(),
        send_generation::SendGeneration::action(),
        copy_files::CopyFiles::action(),
        copy_files::NameFiles::action(),
        tell_state::TellState::action(),
        adopt_guest::AdoptGuest::action(),
        scan_host::ScanHost::action(),
        measure_guest::MeasureGuest::action(),
        measure_host::MeasureHost::action(),
        list_objects::ListObjects::action(),
    ])
}

/// An argument of a step; empty if it has none of that name.
fn argument<'a>(work: &'a Work, name: &str) -> &'a str {
    let found = work.args.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value)
}
