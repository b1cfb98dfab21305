"""Connect the panels of the dock with their controllers, and these with each other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_contrastseg.ui.embedding.export import ask_export

if TYPE_CHECKING:
    from napari_contrastseg.ui.dock_parts import DockParts


def connect(dock: DockParts) -> None:
    """Connect all that the dock has made."""
    _connect_data(dock)
    _connect_learn(dock)
    _connect_review(dock)
    _connect_embedding(dock)


def _connect_data(dock: DockParts) -> None:
    panel, data, session = dock.data, dock.data_controller, dock.session_controller
    dock.header.volume_chosen.connect(dock.workspace.choose_volume)
    dock.header.class_chosen.connect(dock.workspace.choose_class)
    dock.header.slice_chosen.connect(dock.workspace.go_to)
    dock.header.done_requested.connect(data.done.press)
    panel.add_requested.connect(data.add_image)
    panel.add_selected_requested.connect(data.add_selected)
    panel.remove_requested.connect(data.remove_volume)
    panel.axis_chosen.connect(data.set_axis)
    panel.voxel_size_chosen.connect(data.set_voxel_size)
    panel.unrelated_chosen.connect(data.set_unrelated)
    panel.lock_requested.connect(data.lock_slice)
    panel.origin_requested.connect(data.show_origin)
    panel.mask_requested.connect(data.masks.take_free)
    form = panel.mask_form
    form.valueChanged.connect(lambda: data.masks.choose(form.value()))
    form.take_requested.connect(data.masks.take_decided)
    form.leave_requested.connect(data.masks.leave)
    cases, cohort = panel.cohort, data.cohort
    cases.cohort_requested.connect(cohort.open_cohort)
    cases.open_requested.connect(cohort.open_case)
    cases.next_requested.connect(cohort.next_case)
    cases.close_requested.connect(cohort.close_case)
    cases.done_requested.connect(cohort.mark_done)
    cases.predict_requested.connect(cohort.predict)
    cases.cancel_requested.connect(cohort.cancel)
    cohort.state_changed.connect(cases.setValue)
    panel.save_requested.connect(session.save)
    panel.open_requested.connect(session.open)
    panel.new_requested.connect(session.begin_new)
    table, classes = panel.classes, dock.class_controller
    table.added.connect(classes.add_class)
    table.renamed.connect(classes.rename_class)
    table.recoloured.connect(classes.recolour_class)
    table.deleted.connect(classes.delete_class)
    table.locked.connect(classes.lock_class)
    table.selected.connect(dock.workspace.choose_class)
    dock.workspace.questions.asked.connect(dock.notice.setValue)
    dock.notice.answered.connect(dock.workspace.questions.answer)
    dock.workspace.work.shown.connect(dock.work_bar.setValue)
    dock.work_bar.cancel_requested.connect(dock.workspace.work.cancel)


def _connect_learn(dock: DockParts) -> None:
    panel, bar, runs = dock.learn, dock.run_bar, dock.learn_controller
    panel.run_requested.connect(runs.start)
    bar.run_requested.connect(panel.run_round)
    bar.pause_requested.connect(runs.pause)
    bar.cancel_requested.connect(runs.cancel)
    bar.resume_requested.connect(runs.resume)
    panel.valueChanged.connect(runs.choose)
    panel.cluster.test_requested.connect(runs.test)
    runs.found.connect(panel.cluster.setFound)
    runs.state_changed.connect(bar.setValue)
    panel.model_requested.connect(runs.use_model)
    runs.state_changed.connect(panel.setState)
    runs.state_changed.connect(dock.activity.setState)
    runs.started.connect(panel.curves.start)
    panel.background_switched.connect(dock.background.switch)
    dock.background.words_changed.connect(panel.setBackground)
    panel.valueChanged.connect(dock.forecast.choose)
    dock.forecast.changed.connect(runs.show_forecast)
    runs.started.connect(dock.forecast.stop)
    runs.ended.connect(dock.forecast.refresh)


def _connect_review(dock: DockParts) -> None:
    panel, bar, review, queue = (
        dock.review,
        dock.review_bar,
        dock.review_controller,
        dock.queue_controller,
    )
    panel.round_chosen.connect(review.bring_back)
    panel.compare_requested.connect(review.compare)
    panel.threshold_moved.connect(review.move_threshold)
    panel.threshold_settled.connect(review.refresh_all)
    panel.shown_chosen.connect(review.show)
    panel.specks_chosen.connect(review.leave_out_specks)
    panel.strategy_chosen.connect(queue.choose_strategy)
    bar.next_requested.connect(queue.go_to_next)
    bar.accept_requested.connect(review.accept_slice)
    bar.reject_requested.connect(review.reject_slice)
    bar.undo_requested.connect(dock.workspace.undo)
    panel.accept_component_requested.connect(review.accept_component)
    panel.accept_class_requested.connect(review.accept_class)
    panel.reject_component_requested.connect(review.reject_component)
    panel.reject_class_requested.connect(review.reject_class)
    dock.sources.words_changed.connect(panel.setSource)
    dock.sources.words_changed.connect(dock.header.slice_text.setToolTip)
    dock.learn_controller.sliced.connect(dock.sources.show_predicted)
    dock.learn_controller.ended.connect(dock.sources.forget_predicted)


def _connect_embedding(dock: DockParts) -> None:
    view, shown, runs = (
        dock.embedding,
        dock.embedding_controller,
        dock.learn_controller,
    )
    shown.state_changed.connect(view.setValue)
    view.frozen.connect(shown.freeze)
    view.frame_chosen.connect(shown.show_frame)
    view.visible.connect(shown.set_visible)
    view.visible.connect(dock.live.set_visible)
    view.count_changed.connect(dock.live.set_count)
    view.tap_changed.connect(dock.live.set_tap)
    dock.live.framed.connect(shown.add)
    dock.live.forgotten.connect(shown.forget)
    runs.started.connect(dock.live.begin_run)
    runs.started.connect(dock.round_map.stop)
    runs.probed.connect(dock.live.look)
    runs.ended.connect(dock.live.rest)
    runs.ended.connect(dock.round_map.show)
    dock.round_map.embedded.connect(dock.live.show_round)
    dock.round_map.scored.connect(dock.queue_controller.rank_now)
    dock.linked.slices_chosen.connect(dock.queue_controller.put_first)
    dock.linked.voxel_chosen.connect(dock.similar.find)
    dock.similar.progressed.connect(view.show_similar)
    view.stop_requested.connect(dock.similar.stop)
    view.export_requested.connect(partial(ask_export, view))
