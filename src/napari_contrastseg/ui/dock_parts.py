"""Make the panels of the steps and the controllers behind them; the dock shows them."""

from __future__ import annotations

from dataclasses import replace

import napari  # noqa: TC002  napari reads the annotation
from qtpy.QtWidgets import QWidget

from napari_contrastseg.tasks.executors.choice import chosen_executor
from napari_contrastseg.tasks.live_answers import is_live
from napari_contrastseg.ui.data.chosen_label import ChosenLabel
from napari_contrastseg.ui.data.class_controller import ClassController
from napari_contrastseg.ui.data.controller import DataController
from napari_contrastseg.ui.data.header import HeaderPanel
from napari_contrastseg.ui.data.other_labels import OtherLabels
from napari_contrastseg.ui.data.panel import DataPanel
from napari_contrastseg.ui.embedding.controller import EmbeddingController
from napari_contrastseg.ui.embedding.dock import EmbeddingView
from napari_contrastseg.ui.embedding.linking import LinkedMap
from napari_contrastseg.ui.embedding.live import LiveEmbedding
from napari_contrastseg.ui.embedding.round_embedding import RoundMap
from napari_contrastseg.ui.embedding.similar import FindSimilar
from napari_contrastseg.ui.learn.activity import RunActivity
from napari_contrastseg.ui.learn.controller import LearnController
from napari_contrastseg.ui.learn.forecast import Forecast
from napari_contrastseg.ui.learn.panel import LearnPanel
from napari_contrastseg.ui.learn.run_bar import RunBar
from napari_contrastseg.ui.live.background import BackgroundLearning
from napari_contrastseg.ui.live.controller import LiveController
from napari_contrastseg.ui.live.person import PersonWatch
from napari_contrastseg.ui.preferences import take_preferences
from napari_contrastseg.ui.review.controller import ReviewController
from napari_contrastseg.ui.review.panel import ReviewPanel
from napari_contrastseg.ui.review.queue_controller import QueueController
from napari_contrastseg.ui.review.review_bar import ReviewBar
from napari_contrastseg.ui.review.sources_controller import SourcesController
from napari_contrastseg.ui.review.specks_controller import SpecksController
from napari_contrastseg.ui.session_controller import SessionController
from napari_contrastseg.ui.views.views import Views
from napari_contrastseg.ui.widgets.notice import NoticeBar
from napari_contrastseg.ui.widgets.work_bar import WorkBar
from napari_contrastseg.ui.workspace import Workspace


class DockParts(QWidget):
    """Makes panels and controllers; these know the workspace, and not each other.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        begin = take_preferences()  # before anything asks for memory or an executor
        self.data, self.learn = DataPanel(), LearnPanel()
        self.review, self.embedding = ReviewPanel(), EmbeddingView()
        self.header, self.run_bar = HeaderPanel(), RunBar()
        self.review_bar = ReviewBar()
        self.notice, self.work_bar = NoticeBar(), WorkBar()
        self.learn.setValue(
            replace(
                self.learn.value(),
                minutes=begin.minutes,
                device=begin.device,
                cluster=begin.cluster,
            )
        )
        workspace = self.workspace = Workspace(napari_viewer, self)
        self.session_controller = SessionController(workspace)
        self.data_controller = DataController(workspace)
        self.class_controller = ClassController(workspace)
        self.chosen_label = ChosenLabel(workspace)
        self.other_labels = OtherLabels(workspace)
        self.review_controller = ReviewController(workspace)
        self.queue_controller = QueueController(workspace)
        self.sources = SourcesController(workspace, is_live)
        self.live_answers = LiveController(workspace)
        self.background = BackgroundLearning(workspace, self._answers_rest)
        self.person = PersonWatch(workspace)
        self.specks_controller = SpecksController(workspace, self._answers_rest)
        self.similar = FindSimilar(workspace)
        self.views = Views(workspace)
        self.linked = LinkedMap(workspace, self.embedding)
        self.embedding_controller = EmbeddingController(workspace)
        self.live = LiveEmbedding(workspace)
        self.round_map = RoundMap(workspace, self.live.probe)
        self.learn_controller = LearnController(
            workspace, self.live.probe, chosen_executor()
        )
        self.learn_controller.choose(self.learn.value())
        self.activity = RunActivity(self)
        self.forecast = Forecast(workspace, self.learn.value())

    def _answers_rest(self) -> bool:
        """Whether no proposal is being worked out."""
        return self.live_answers.resting and self.sources.resting
